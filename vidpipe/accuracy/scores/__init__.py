"""Scores: pure functions of what was said and what was wanted."""
