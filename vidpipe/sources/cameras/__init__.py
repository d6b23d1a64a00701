"""Cameras: connections that are kept up for as long as a run goes on, and what becomes of their pictures."""
