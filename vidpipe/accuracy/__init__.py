"""How accuracy is measured: what was said of every frame, the reference that says it, and how they compare."""
