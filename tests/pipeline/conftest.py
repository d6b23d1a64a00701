"""A good pipeline to spoil, in a folder of its own to work in."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]

GOOD = """\
name: street
classes:
  person: person
  vehicle: [car, bus]
models:
  little: {path: yolo11n, threshold: {person: 0.4}}
  big: {path: yolo11m, size: 640}
stages:
  - {id: difference, type: difference, threshold: 20}
  - {id: little, type: detect, on: edge, model: little, accept: {person: 0.6, vehicle: 0.5}}
  - {id: big, type: detect, on: cloud, model: big}
audit: {rate: 0.02}
streams:
  gate: {url: gate.mp4, stages: {little: {accept: 0.8}}}
links:
  device-edge: {credit_frames: 4}
ahead: 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; what a pipeline adds to Python's path is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes a file into the working directory: by default the pipeline street.yaml."""

    def write(text: str, name: str = "street.yaml") -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write
