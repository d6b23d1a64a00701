"""What is said between a run and a server that runs the lower part of its pipeline: messages, never pickles."""
