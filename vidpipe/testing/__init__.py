"""For tests, ours and users': generated scenes with exact truth, and sources that do what they are told."""
