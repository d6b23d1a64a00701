"""The store of a run: events, reviews, tracks and counts in one SQLite file, and how it is asked."""
