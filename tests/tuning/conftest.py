"""A pipeline with one model, which finds what is bright."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.bright import bright_network
from vidpipe.pipeline.yaml.load import load

YARD = """
name: yard
classes: {thing: thing}
models: {big: {path: bright.onnx, family: yolo, threshold: 0.5}}
stages: [{id: find, type: detect, model: big}]
audit: {rate: 0.02, max_unchecked_s: 10}
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fills the cache or the profiles of the user who runs it."""
    monkeypatch.setenv("VIDPIPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIDPIPE_PROFILES", str(tmp_path / "profiles"))


@pytest.fixture
def yard(tmp_path):
    """The pipeline on a clip."""
    bright_network(tmp_path / "bright.onnx")
    (tmp_path / "yard.yaml").write_text(YARD)

    def make(url):
        return load(tmp_path / "yard.yaml", sources={"yard": str(url)})

    return make
