"""Profiles: what is kept of a fit, and written whole."""

from __future__ import annotations

import math

import pytest

from tests.bench.builders import at, series
from vidpipe.accuracy.reference.model import ReferenceModel
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.bench import profile
from vidpipe.bench.baselines.grid import grid
from vidpipe.bench.clip import Clip
from vidpipe.bench.figures import Part
from vidpipe.bench.fit import Fit, SizedModel
from vidpipe.bench.labels.read import Labels
from vidpipe.core.errors import RunError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Stream, Tier
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.stages.difference.difference import Difference, DifferenceConfig

FRAMES = 60


def looks(found, size, cpu_ms):
    return Predictions(found, {"person": 0.5, "vehicle": 0.4}, size, cpu_ms * 1.5, cpu_ms, 0.6, found.frames)


@pytest.fixture
def fitted():
    """The first 40 of 60 frames; one person walks, and the little model sees every other frame of it."""
    person = [at(frame, 4 * frame, score=0.9) for frame in range(FRAMES)]
    whole = series(FRAMES, *person)
    part = Part(start=0, stop=40, start_s=0.0, end_s=4.0)
    big, little = ModelSpec(path="big.onnx"), ModelSpec(path="little.onnx")
    pipeline = Pipeline(
        name="pair",
        classes=Classes({"person": ["person"], "vehicle": ["car"]}),
        models={"little": little, "big": big},
        stages=(
            PlacedStage("difference", Difference, DifferenceConfig()),
            PlacedStage("big", Detect, DetectConfig(model="big"), Tier.CLOUD),
        ),
        streams={"cam": Stream(StreamSpec(url="cam.mp4"))},
    )
    labels = Labels(whole, [], ("person",))
    clip = Clip("cam", pipeline, ReferenceModel("big", big), looks(whole, (64, 64), 20.0), whole, labels)
    of_part = whole.part(0, 40)
    every_other = series(40, *(box for box in person[:40] if box.frame % 2 == 0))
    made = [
        SizedModel("little", little, looks(every_other, (32, 32), 4.0)),
        SizedModel("big", big, looks(of_part, (64, 64), 20.0)),
    ]
    report = {
        "streams": {"cam": {"audits": {"difference": {"audited": 3, "missed": 1, "false": 2, "rate": 1 / 3}}}},
        "stages": {
            "difference": {"asked": 40, "answered": 25, "errors": 0, "wall_ms": 0.1, "cpu_ms": 0.08},
            "big": {"asked": 15, "answered": 15, "errors": 0, "wall_ms": 30.0, "cpu_ms": 20.0},
        },
    }
    choices = grid([(model.name, model.predictions) for model in made], of_part, 10)
    return Fit(clip, part, made, choices, 0.9, report, 0.1)


def test_what_is_kept_of_a_fit(fitted):
    kept = profile.clip_profile(fitted)
    assert (kept.pipeline, kept.clip, kept.part, kept.fps, kept.decode_cpu_ms) == ("pair", "cam", fitted.part, 10, 0.6)
    assert [(each.model, each.size, each.cpu_ms, each.wall_ms) for each in kept.models] == [
        ("little", (32, 32), 4.0, 6.0),
        ("big", (64, 64), 20.0, 30.0),
    ]
    little, big = kept.models
    assert big.thresholds == {"person": 0.5, "vehicle": 0.4}
    assert (big.f1["1"], big.ap50) == (1.0, {"person": 1.0, "vehicle": None})
    assert little.f1["1"] == pytest.approx(2 * 20 / (20 + 40))
    assert little.moving_f1["1"] == little.f1["1"]
    assert list(big.f1) == [str(stride) for stride in (1, 2, 3, 4, 5, 6, 8, 10)]
    difference, last = (each.model_dump() for each in kept.stages)
    assert difference == {
        **{"id": "difference", "type": "difference", "asked": 40, "answered": 25, "cpu_ms": 0.08, "wall_ms": 0.1},
        **{"audited": 3, "missed": 1, "false": 2},
    }
    assert (last["type"], last["audited"]) == ("detect", 0)


def written(path):
    return profile.Profiles.model_validate_json(path.read_text()).clips


def test_written_whole(fitted, tmp_path):
    kept = profile.clip_profile(fitted)
    profile.write(tmp_path / "p.json", [kept, kept.model_copy(update={"clip": "other"})])
    first, second = written(tmp_path / "p.json")
    assert first == kept
    assert second.clip == "other"
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]


def test_what_was_not_measured_anew_is_not_there(fitted, tmp_path):
    """Predictions from a cache cost nothing that could be measured; JSON has no NaN."""
    seen = fitted.models[0].predictions
    cached = Predictions(seen.series, seen.thresholds, seen.size, math.nan, math.nan, math.nan, 0)
    fitted.models[0] = fitted.models[0]._replace(predictions=cached)
    profile.write(tmp_path / "p.json", [profile.clip_profile(fitted)])
    (kept,) = written(tmp_path / "p.json")
    assert (kept.models[0].cpu_ms, kept.models[0].wall_ms) == (None, None)
    assert (kept.models[1].cpu_ms, kept.decode_cpu_ms) == (20.0, 0.6)


def test_where_it_cannot_be_written(fitted, tmp_path):
    with pytest.raises(RunError, match=r"profile .*none/p.json cannot be written: No such file or directory"):
        profile.write(tmp_path / "none" / "p.json", [])
