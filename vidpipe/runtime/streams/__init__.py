"""Streams: each in a thread, from its source to its published results."""
