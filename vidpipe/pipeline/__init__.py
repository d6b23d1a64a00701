"""What is to run: the checked pipeline, how it is cut into segments, and what may change meanwhile."""
