"""Baselines as pipelines: what they are made of, and what they do with a clip."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from tests import clips
from tests.bench.baselines.conftest import only, ran
from vidpipe.bench.baselines import pipelines
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.models import models_of
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import PlacedStage, ShaperSpec, Stream, Tier
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import DetectConfig
from vidpipe.stages.track.track import Track, TrackConfig

MAKERS = {
    "every_frame": lambda pipeline: pipelines.every_frame(pipeline, "big"),
    "smaller": lambda pipeline: pipelines.static(pipeline, "little", (32, 64), 1),
    "static": lambda pipeline: pipelines.static(pipeline, "little", None, 4),
    "static 1": lambda pipeline: pipelines.static(pipeline, "big", 32, 1),
    "uniform": lambda pipeline: pipelines.uniform(pipeline, "big", 10),
    "motion": lambda pipeline: pipelines.motion(pipeline, "little"),
}


@pytest.mark.parametrize(
    ("maker", "expected"),
    [
        ("every_frame", [("big", Tier.CLOUD)]),
        ("smaller", [("little", Tier.EDGE)]),
        ("static", [("sample", Tier.DEVICE), ("little", Tier.EDGE)]),
        ("static 1", [("big", Tier.CLOUD)]),
        ("uniform", [("sample", Tier.DEVICE), ("big", Tier.CLOUD)]),
        ("motion", [("sample", Tier.DEVICE), ("motion", Tier.DEVICE), ("little", Tier.EDGE)]),
    ],
)
def test_stages(pipeline, maker, expected):
    made = MAKERS[maker](pipeline)
    assert [(stage.id, stage.tier) for stage in made.stages] == expected


@pytest.mark.parametrize("maker", MAKERS)
def test_all_else_is_the_pipelines(pipeline, maker):
    made = pickle.loads(pickle.dumps(MAKERS[maker](pipeline)))
    for part in ("name", "ahead", "late", "search_paths"):
        assert getattr(made, part) == getattr(pipeline, part)
    assert made.classes.mapping == pipeline.classes.mapping
    assert made.streams == {"cam": Stream(pipeline.streams["cam"].spec)}
    assert (made.audit.rate, made.audit.max_unchecked_s) == (0, None)
    assert made.stages[-1].config.accept is None


@pytest.mark.parametrize(
    ("maker", "model", "size"),
    [
        ("every_frame", "big", None),
        ("smaller", "little", (32, 64)),
        ("static 1", "big", 32),
        ("motion", "little", None),
    ],
)
def test_the_model_keeps_its_settings_but_for_the_size(pipeline, maker, model, size):
    spec = pipeline.models[model]
    assert MAKERS[maker](pipeline).models == {model: ModelSpec(**{**spec.model_dump(), "size": size})}


@pytest.mark.parametrize(("maker", "link"), [("every_frame", "edge-cloud"), ("smaller", "device-edge")])
def test_frames_cross_the_link_into_the_models_tier(pipeline, maker, link):
    """Device to cloud is a link that the pipeline does not have: it is no faster than the way into the cloud."""
    (crossed,) = plan(MAKERS[maker](pipeline)).links
    assert crossed.spec == pipeline.links[link]


def test_a_model_that_is_only_listed_stands_with_the_last_stage(pipeline):
    listed = replace(pipeline, models={**pipeline.models, "third": pipeline.models["big"]})
    assert pipelines.every_frame(listed, "third").stages[0].tier is Tier.CLOUD


@pytest.mark.parametrize(
    ("maker", "measured"),
    [
        ("every_frame", list(range(30))),
        ("static", [0, 4, 8, 12, 16, 20, 24, 28]),
        ("uniform", [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),
        ("motion", [0, 5, 10, 15, 20, 25]),
    ],
)
def test_which_frames_are_looked_at(pipeline, tmp_path, maker, measured):
    """Of 25 a second; the gate has not calibrated itself yet. The others carry the result on."""
    lines, report = ran(MAKERS[maker](pipeline), tmp_path)
    assert [line["seq"] for line in lines if line["how"] == "measured"] == measured
    assert [line["as_of"] for line in lines] == [max(seq for seq in measured if seq <= at) for at in range(30)]
    assert all(len(line["detections"]) == 1 for line in lines)
    (work,) = report["models"].values()
    assert work["calls"] == len(measured)
    assert report["streams"]["cam"]["audits"] == {}


@pytest.mark.parametrize("stride", [2, 3, 7])
@pytest.mark.parametrize("start_s", [0.0, 0.5])
def test_a_stride_is_exact_at_an_irregular_rate(pipeline, tmp_path, stride, start_s):
    """29.97 frames a second with gaps and jitter, begun in the middle too."""
    times = [n * 1001 / 30000 + 0.011 * (n % 3) + (0.8 if n > 20 else 0) for n in range(40)]
    clip = clips.encode(tmp_path / "jitter.mkv", times=times)
    spec = StreamSpec(url=str(clip), start_s=start_s)
    lines, _ = ran(pipelines.static(replace(pipeline, streams={"cam": Stream(spec)}), "big", None, stride), tmp_path)
    assert [line["seq"] for line in lines if line["how"] == "measured"] == list(range(0, len(lines), stride))


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["difference", "unsure", "sure"], ("little", "big")),
        (["difference", "sure"], (None, "big")),
        (["unsure"], (None, "little")),
        (["sure", "unsure"], ("little", "big")),
        (["unsure", "difference"], ("little", None)),
        (["difference"], (None, None)),
    ],
)
def test_models_of(pipeline, stages, expected):
    """Stages in the order of the pipeline; a user's own last stage may name no model."""
    order = {"difference": 0, "unsure": 1, "sure": 2}
    left = only(pipeline, *stages)
    if stages == ["unsure", "difference"]:
        left = replace(left, stages=left.stages[::-1])
    assert sorted(stages, key=order.get) == sorted((stage.id for stage in left.stages), key=order.get)
    assert models_of(left) == expected


def test_one_model_in_two_stages_is_no_pair(pipeline):
    twice = replace(pipeline.stages[1], config=DetectConfig(model="big", accept=0.8))
    assert models_of(replace(pipeline, stages=(twice, pipeline.stages[2]))) == (None, "big")


def test_the_big_model_with_the_pipelines_tracker(pipeline):
    assert pipelines.tracked(pipeline, "big") is None
    tracker = PlacedStage("follow", Track, TrackConfig(refresh_s=0.7, agreement=0.9, activate=0.3))
    made = pipelines.tracked(replace(pipeline, stages=(tracker, *pipeline.stages)), "big")
    assert [stage.id for stage in made.stages] == ["follow", "big"]
    assert made.stages[0].config == TrackConfig(refresh_s=0, activate=0.3)
    assert (made.audit.rate, made.audit.max_unchecked_s) == (0, None)


def test_what_being_late_is_held_against(pipeline):
    assert pipelines.undelayed(pipeline) is None  # nothing delays it
    slow = pipeline.links["edge-cloud"].model_copy(update={"shaper": ShaperSpec(delay_ms=500)})
    delayed = replace(pipeline, links={**pipeline.links, "edge-cloud": slow}, late=None)
    assert pipelines.undelayed(delayed) == replace(pipeline, late=None)
    assert pipelines.waiting(delayed) == replace(delayed, late="wait")


@pytest.mark.parametrize("left_out", ["difference", "unsure", "sure"])
def test_without(pipeline, left_out):
    made = pipelines.without(pipeline, left_out)
    assert made.stages == tuple(stage for stage in pipeline.stages if stage.id != left_out)
    assert made.streams["cam"].configs == ({} if left_out == "difference" else pipeline.streams["cam"].configs)
    assert (made.audit, made.models, made.ahead) == (pipeline.audit, pipeline.models, pipeline.ahead)
    assert plan(made).links[-1].spec == pipeline.links["device-edge" if left_out == "sure" else "edge-cloud"]


@pytest.mark.parametrize(
    ("stages", "left_out", "why"),
    [
        (["sure"], "sure", "it is the only stage"),
        (["difference", "sure"], "sure", "difference would be the last stage, and is a filter: nobody would answer"),
    ],
)
def test_without_what_cannot_go(pipeline, stages, left_out, why):
    assert pipelines.without(only(pipeline, *stages), left_out).startswith(why)


def test_without_the_last_stage_the_little_model_answers_all(pipeline, tmp_path):
    lines, _ = ran(pipelines.without(pipeline, "sure"), tmp_path)
    assert {line["by"] for line in lines} <= {"difference", "unsure"}
    assert {box["score"] for line in lines for box in line["detections"]} == {0.6}
