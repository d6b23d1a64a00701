"""The engine whose segments are Ray actors; nothing else in vidpipe imports ray."""

import os

# A call that comes behind the end of a run must not start a Ray, or join one that somebody else has left running.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
# Ray ends a process that leaves it where the raylet has died, unless it knows of one that lives: here this process. Ray
# reads that as it is imported; what is started afterwards has other ones.
_RAYLET = "RAY_RAYLET_PID"
_before = os.environ.setdefault(_RAYLET, str(os.getpid()))

from vidpipe.runtime.ray.engine import RayEngine  # noqa: E402 - behind the variables

if _before == str(os.getpid()):
    del os.environ[_RAYLET]

__all__ = ["RayEngine"]
