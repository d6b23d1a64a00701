"""A small clip, and a small model whose answers follow the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import encode
from tests.models.networks import following_network
from vidpipe.models.base import ModelSpec

# (cx, cy, w, h, class, score) in pixels of a 64 x 64 input, in which a clip of 160 x 120 lies 64 x 48, 8 from the top.
OBJECTS = [(16, 20, 8, 8, 0, 0.9), (28, 40, 12, 16, 1, 0.6), (20, 50, 8, 8, 0, 0.2), (24, 30, 8, 8, 1, 0.01)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test fills the cache of the user who runs it."""
    monkeypatch.setenv("VIDPIPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return encode(tmp_path / "clip.mp4")


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return ModelSpec(path=str(following_network(tmp_path / "net.onnx", OBJECTS, ["person", "car"])), family="yolo")
