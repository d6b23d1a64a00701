"""A model that differs by tier, on both engines: stages, audits and costs have the one of their tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import clips
from tests.models.networks import constant_network, yolo_columns
from tests.runtime.conftest import Runner

FRAMES = 12
PIPELINE = """
classes: {thing: thing}
models: {finder: {path: sees.onnx, family: yolo, names: [thing]}}
stages:
  - {id: little, type: detect, model: finder, on: edge, at_least: 1}
  - {id: big, type: detect, model: finder, on: cloud}
audit: {rate: 0.5, max_unchecked_s: null}
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("tiers") / "clip.mp4", frames=FRAMES)


@pytest.mark.long
def test_each_tier_has_its_own_model_of_one_name(runner: Runner, clip: Path) -> None:
    for name, score in (("sees", 0.9), ("blind", 0.0)):
        constant_network(runner.folder / f"{name}.onnx", {"out": yolo_columns([(16, 16, 8, 8, 0, score)], 1)})
    alike = runner(PIPELINE, {"a": clip})
    assert {line["by"] for line in alike.lines} == {"big"}  # each frame has a box, and is passed on
    ran = runner(PIPELINE, {"a": clip}, sets=["tiers.edge.models.finder.path=blind.onnx"])
    little = ran.report["stages"]["little"]
    assert little["asked"] == FRAMES
    audited = [line for line in ran.lines if line["by"] == "big"]
    assert 0 < len(audited) < FRAMES
    assert {len(line["detections"]) for line in audited} == {1}
    assert {len(line["detections"]) for line in ran.lines if line["by"] == "little"} == {0}
    assert ran.report["streams"]["a"]["audits"]["little"]["missed"] == len(audited)
    assert {name: told["calls"] for name, told in ran.report["models"].items()} == {
        "finder@edge": FRAMES,
        "finder": len(audited),
    }
