"""Describes boxes that are found: what each looks like, and which one it is, with a cache for single objects.

Reuse of earlier vectors follows FoggyCache (Guo et al., MobiCom 2018).
"""
