"""What is decided before a run, or beside one: which filters a stream gets, and how they are set."""
