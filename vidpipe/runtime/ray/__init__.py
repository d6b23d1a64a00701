"""The engine whose segments are Ray actors; nothing else in vidpipe imports ray."""

from vidpipe.runtime.ray.engine import RayEngine

__all__ = ["RayEngine"]
