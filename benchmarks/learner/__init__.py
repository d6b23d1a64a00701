"""A detector that learns its camera, and what it is worth: docs/learner.md."""
