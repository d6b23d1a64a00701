"""Recordings in bulk: cut into chunks, answered side by side, and joined as if they had been answered in one run."""
