"""Snapshots travel every few seconds: what they hold is small, and whatever a look brings back stays behind."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.models.bright import bright_network
from tests.models.networks import mean_network
from tests.stages.conftest import ask, frame
from tests.stages.difference.yard import Yard
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer, How
from vidpipe.core.registry import STAGES
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.library import Library
from vidpipe.stages.difference.blocks import Blocks
from vidpipe.stages.difference.scene import Scene

FPS, SECONDS = 10, 60
MOST = 16 * 2**10  # bytes
MOST_EVIDENCE = 128 * 2**10  # of stages that keep what they were told of hundreds of frames, as numbers

SETTINGS = {
    "difference": [{}, {"earlier_s": 20}, {"scene": "SCENE"}],
    "gate": [{"weights": "GATE"}],
    "sample": [{"fps": 5}],
    "track": [{"refresh_s": 0.5, "agreement": 0.9}, {"refresh_s": 0.5, "motion": "auto"}],
    "detect": [{"model": "bright", "agreement": 0.9, "budget": 0.5, "least_f1": 0.5}],
    "select": [{"models": ["bright"]}],
    "regions": [{"model": "bright"}],
    "cache": [{}],
}


@pytest.fixture
def models(tmp_path):
    specs = {
        "bright": ModelSpec(path=str(bright_network(tmp_path / "bright.onnx")), family="yolo"),
        "mean": ModelSpec(path=str(mean_network(tmp_path / "mean.onnx")), family="embedder"),
    }
    return Library(specs, Classes({"thing": ["thing"]}))


@pytest.fixture
def files(tmp_path, trained):
    """The places of a learnt scene and a gate."""
    image, level = Yard().ground.astype(np.float32), np.ones((10, 10), np.float32)
    assert Blocks(image.shape, 10).grid == level.shape
    Scene((160, 120), image, level, level, 3.0, 3.0).save(tmp_path / "scene.npz")
    trained.gate.save(tmp_path / "yard.gate")
    return {"SCENE": str(tmp_path / "scene.npz"), "GATE": str(tmp_path / "yard.gate")}


def test_each_stage_is_tried():
    assert SETTINGS.keys() == STAGES.builtin.keys()


@pytest.mark.long
@pytest.mark.parametrize(("name", "settings"), [(name, one) for name, each in SETTINGS.items() for one in each])
def test_after_a_minute_a_snapshot_is_small(models, files, name, settings):
    config = {key: files.get(value, value) if isinstance(value, str) else value for key, value in settings.items()}
    stage = STAGES.find(name)()
    stage.id, stage.config = name, stage.Config(**config)
    stage.open(Context(name, "cam", models, ("thing",), last=False))
    detector, yard = models.detector("bright"), Yard()
    for seq in range(SECONDS * FPS):
        x = 3 * seq % 200 - 20
        seen = frame(yard.picture(thing=(x, 50), contrast=250), seq, pts=seq / FPS)
        if ask(stage, seen) is None:
            (found,) = detector.detect([seen.bgr()])
            stage.learn(seen, Answer(replace(found), How.MEASURED, "big", seq))
    state = stage.snapshot_stream("cam") if stage.shared else stage.snapshot()
    assert len(pickle.dumps(state)) <= (MOST_EVIDENCE if name in ("detect", "select") else MOST)
