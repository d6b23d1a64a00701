"""Whatever a stage returns: the run ends, the ledger adds up, and what is bad is told with the stage's name."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import clips
from tests.builders import CLASSES
from tests.cascade.test_contract import ANSWERS, ANYTHING
from tests.runtime import recording
from tests.runtime.test_parity import assert_adds_up, pipeline, placed
from vidpipe.core.answer import Answer, How
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.run import run

FRAMES = 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=FRAMES, fps=5)


@pytest.mark.parametrize(
    ("runner", "kind", "on"),
    [
        ("inline", "Odd", "device"),
        ("inline", "SharedOdd", "cloud"),
        pytest.param("ray", "SharedOdd", "cloud", marks=pytest.mark.ray),
    ],
    indirect=["runner"],
)
def test_odd_answers_cost_their_frames_on_both_engines(runner, clip, kind, on):
    """One odd answer a frame, of a stage of the stream's own and of a shared one."""
    count = len(recording.odd(Answer(recording.boxes(CLASSES, 0, 1), How.MEASURED, "odd", 0)))
    ran = runner(pipeline(runner, [placed("odd", kind, on)], {"a": (clip, {})}), {})
    assert_adds_up(ran, "a", FRAMES)
    for line in ran.lines[:count]:
        assert (line["how"], line["by"]) == ("failed", "odd")
        assert "stage odd" in line["reason"]
    assert {line["how"] for line in ran.lines[count:]} == {"measured"}
    assert ran.report["stages"]["odd"]["errors"] == count


class Kept(Sink):
    """A sink that keeps all."""

    def __init__(self):
        self.records = []

    def write(self, results, published_at):
        self.records += results


@pytest.mark.long
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    says=st.lists(st.lists(ANSWERS, max_size=2) | ANYTHING, min_size=1, max_size=6),
    callback=st.sampled_from(["answer", "answer", "learn", "fallback"]),
    kind=st.sampled_from(["Says", "SharedSays"]),
    late=st.sampled_from(["wait", "detour"]),
)
def test_law_the_run_ends_and_only_what_is_sound_is_published(inline, clip, says, callback, kind, late):
    stages = [placed("pick", kind, "device", raises=callback), placed("last", "Last", "edge")]
    file = inline.folder / "pipeline.yaml"
    file.write_text(
        pipeline(inline, stages, {"a": (clip, {})}, late=late, classes={name: name for name in CLASSES}),
    )
    loaded = load(file)
    module = importlib.import_module("recording")
    singly = callback != "answer"  # these give no list
    module.SAYS[:] = [said[0] if singly and type(said) is list and said else said for said in says]
    kept = Kept()
    outcome = run(loaded, engine="inline", sinks=[kept])
    ledger = outcome.report["streams"]["a"]
    assert [record.seq for record in kept.records] == list(range(FRAMES))
    assert ledger["frames_in"] == FRAMES == sum(ledger["how"].values()) == sum(ledger["by"].values())
    for record in kept.records:
        answer, said = record.answer, module.SAYS[record.seq % len(says)]
        assert_sound(answer, record.seq)
        if answer.how is How.FAILED:
            assert (answer.by, callback) == ("pick", "answer")
            assert answer.reason.startswith("stage pick gave ")
        elif callback == "answer" and answer.by == "pick":
            assert answer.how is How.SKIPPED or answer.detections is said[0].detections
    assert all("stage pick gave " in error for error in outcome.errors)


def assert_sound(answer, seq):
    """What every sink may build on."""
    boxes = answer.detections
    assert type(answer.how) is How
    assert -1 <= answer.as_of <= seq
    xyxy = np.asarray(boxes.xyxy, float)
    assert (xyxy[:, 2:] >= xyxy[:, :2]).all()
    assert (np.abs(xyxy) <= 2 * clips.WIDTH).all()
    if len(boxes):
        assert [CLASSES[number] for number in boxes.class_id] == list(boxes.data["class_name"])
        assert boxes.confidence is None or (np.abs(boxes.confidence - 0.5) <= 0.5 + 1e-5).all()
