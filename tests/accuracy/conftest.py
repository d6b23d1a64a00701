"""The small clip and the small model of the bench's tests."""

from tests.bench.conftest import clip, model, own_cache

__all__ = ["clip", "model", "own_cache"]
