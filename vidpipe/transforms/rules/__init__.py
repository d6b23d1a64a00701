"""Rules of events: who is where in the picture, for how long, and who crosses which line.

`spec.py` is what a user writes, `engine.py` the one way from published results to events, live and replayed.
"""
