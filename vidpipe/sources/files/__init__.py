"""Recordings: read picture by picture, or played at their own speed."""
