"""The engine whose segments are Ray actors; nothing else in vidpipe imports ray."""

from vidpipe.engine.ray.engine import RayEngine

__all__ = ["RayEngine"]
