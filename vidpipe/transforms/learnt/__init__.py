"""Events that users teach by examples (FilterForward, SysML 2019): a small classifier on features that stages compute
anyway, over a window of time, smoothed by K of N.

It knows nothing of rules: `rules/lessons.py` holds it against results, `vidpipe/teaching` fits it.
"""
