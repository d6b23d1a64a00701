"""The engine whose segments are Ray actors; nothing else in vidpipe imports ray."""

import os

# A call that comes behind the end of a run must not start a Ray, or join one that somebody else has left running.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

from vidpipe.runtime.ray.engine import RayEngine

__all__ = ["RayEngine"]
