"""What filters learn from the last stage's answers: examples, training, drift, and the versions that came of it."""
