"""Chameleon as a stage: what it publishes, what it takes for it, and who takes part in a bench by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import clips
from tests.bench.baselines.conftest import ran
from tests.bench.builders import series
from tests.models.networks import constant_network, yolo_columns
from vidpipe.accuracy.reference.model import ReferenceModel
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.bench import candidates
from vidpipe.bench.baselines import pipelines
from vidpipe.bench.baselines.chameleon import ChameleonConfig, PricedLook
from vidpipe.bench.candidates import Candidate, Field
from vidpipe.bench.clip import Clip
from vidpipe.bench.figures import Part
from vidpipe.bench.fit import Fit, SizedModel
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.spec import Stream, Tier
from vidpipe.sources.base import StreamSpec

FPS, SEGMENT = 5, 20  # frames
SECONDS = 40  # ten segments
BIG = [(30, 30, 20, 20, 0, 0.9), (10, 10, 8, 8, 0, 0.9)]


@pytest.fixture
def street(pipeline, tmp_path):
    """The pipeline on a longer clip, its models seeing these boxes in every picture."""

    def made(little=BIG, big=BIG, seconds=SECONDS):
        clip = clips.encode(tmp_path / "long.mp4", frames=seconds * FPS, fps=FPS)
        models = {
            name: ModelSpec(path=str(network(tmp_path / f"{name}.onnx", boxes)), family="yolo", names=["a", "b", "c"])
            for name, boxes in (("little", little), ("big", big))
        }
        return replace(pipeline, models=models, streams={"cam": Stream(StreamSpec(url=str(clip)))})

    return made


def network(file, boxes):
    return constant_network(file, {"out": yolo_columns(boxes, 3)})


def chameleon(pipeline, tmp_path, *, tries=True, strides=(1, 2, 5), alpha=0.9):
    looks = [PricedLook(model="little", size=None, cpu_ms=2), PricedLook(model="big", size=None, cpu_ms=9)]
    config = ChameleonConfig(looks=looks, strides=list(strides), fps=FPS, alpha=alpha, tries=tries)
    return ran(pipelines.chameleon(pipeline, config), tmp_path)


def looked_at(lines):
    return [line["seq"] for line in lines if line["how"] == "measured"]


def calls(report):
    return {model: work["calls"] for model, work in report["models"].items()}


def test_it_is_the_only_stage(street):
    config = ChameleonConfig(
        looks=[PricedLook(model="big", size=None, cpu_ms=1)], strides=[1], fps=5, alpha=0.9, tries=True
    )
    made = pipelines.chameleon(street(), config)
    assert [(stage.id, stage.tier) for stage in made.stages] == [("chameleon", Tier.CLOUD)]
    assert (set(made.models), made.audit.rate, made.audit.max_unchecked_s) == ({"big"}, 0, None)


@pytest.mark.parametrize("tries", [True, False])
def test_where_all_are_alike_the_cheapest_answers(street, tmp_path, tries):
    """Golden looks at the first second of each segment, or each fourth; else little looks once a second."""
    lines, report = chameleon(street(), tmp_path, tries=tries)
    judged = [start + n for start in range(0, SECONDS * FPS, SEGMENT if tries else 4 * SEGMENT) for n in range(5)]
    assert [seq for seq in looked_at(lines) if seq not in judged] == [
        seq for seq in range(0, SECONDS * FPS, 5) if seq not in judged
    ]
    assert set(judged) <= set(looked_at(lines))
    assert all(len(line["detections"]) == 2 for line in lines)
    assert calls(report)["big"] == len(judged)


def test_what_sees_less_is_not_taken(street, tmp_path):
    lines, report = chameleon(street(little=BIG[:1]), tmp_path)
    assert all(len(line["detections"]) == 2 for line in lines)
    # Half a profile was enough to know, and there were two of them, a window apart.
    assert calls(report)["little"] == 2 * 3
    assert calls(report)["big"] == len(looked_at(lines))


def test_an_accuracy_that_is_lower_lets_it_see_less(street, tmp_path):
    lines, _ = chameleon(street(little=BIG[:1]), tmp_path, alpha=0.6)
    assert len(lines[-1]["detections"]) == 1


def test_an_empty_street_says_nothing_of_anybody(street, tmp_path):
    """Everybody looks perfect there: golden, which nothing has replaced yet, goes on."""
    lines, report = chameleon(street(little=[], big=[], seconds=12), tmp_path)
    assert looked_at(lines) == list(range(60))
    assert calls(report)["big"] == 60


def test_a_second_that_a_gap_cuts_short_is_no_evidence(street, tmp_path):
    times = [0.0, 0.2, *(4 + n / FPS for n in range(20))]
    clip = clips.encode(tmp_path / "gap.mkv", times=times)
    lines, _ = chameleon(replace(street(), streams={"cam": Stream(StreamSpec(url=str(clip)))}), tmp_path)
    assert looked_at(lines) == [*range(7), 10, 15, 20]


def test_twice_it_does_the_same(street, tmp_path):
    pipeline = street()
    first, second = (chameleon(pipeline, tmp_path) for _ in range(2))
    for lines, _ in (first, second):
        for line in lines:
            del line["published_at"]
    assert first[0] == second[0]
    assert calls(first[1]) == calls(second[1])


def test_a_bench_has_it_in_two_rhythms(street):
    """With the sizes that are no larger than the pipeline's own, and without a model that no stage runs."""
    pipeline = street()
    whole = Part(start=0, stop=10, start_s=0.0, end_s=2.0)
    measured = [
        sized("little", None, (64, 64), 2.0),
        sized("big", None, (64, 64), 9.0),
        sized("big", (32, 32), (32, 32), 3.0),
        sized("big", (96, 96), (96, 96), 20.0),
        sized("big", (48, 48), (48, 48), 5.0),
        sized("listed", None, (64, 64), 90.0),
    ]
    seen = measured[1].predictions
    clip = Clip("cam", pipeline, ReferenceModel("big", pipeline.models["big"]), seen, seen.series, None)
    fitted = Fit(clip, whole, measured, [], None, {}, 0.1)
    kinds = {"chameleon"}
    _, *made = candidates.first(Field(pipeline, FPS, "inline", fitted, kinds, floor=0.8))
    assert [(each.name, each.kind) for each in made] == [
        ("Chameleon 1 s in 4", "chameleon"),
        ("Chameleon 1 s in 16", "chameleon"),
    ]
    configs = [each.job.pipeline.stages[0].config for each in made]
    assert [config.tries for config in configs] == [True, False]
    for config in configs:
        assert (config.alpha, config.fps, config.strides) == (0.8, FPS, [1, 2, 3, 4, 5])
        assert [(look.model, look.size, look.cpu_ms) for look in config.looks] == [
            ("little", None, 2.0),
            ("big", None, 9.0),
            ("big", (48, 48), 5.0),
            ("big", (32, 32), 3.0),
        ]


def sized(model, setting, size, cpu_ms):
    looks = Predictions(series(10), {}, size, cpu_ms, cpu_ms, 0.5, 10)
    return SizedModel(model, ModelSpec(path=f"{model}.onnx", size=setting), looks)


def test_without_a_fitted_part_it_cannot_be(street):
    _, said = candidates.first(Field(street(), FPS, "inline", None, {"chameleon"}))
    assert not isinstance(said, Candidate)
    assert said.startswith("no Chameleon: nothing was fitted on")
