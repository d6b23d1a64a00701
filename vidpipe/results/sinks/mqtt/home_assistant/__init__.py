"""Streams as devices of Home Assistant: what is so is seen there, and commands come from there."""
