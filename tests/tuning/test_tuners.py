"""The tuners that come with vidpipe, in front of a run whose time is the test's. What must hold:

- Chameleon puts in force what is cheapest and accurate enough, stream by stream, and asks no more than it has to;
- what fails, is refused or is of a stream that ends costs evidence, never the tuner;
- uniform keeps to its budget; static sets its settings once;
- a pipeline that they cannot tune is refused before it runs, in words.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
import supervision as sv

from tests import clips
from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Tuner, tuner_of
from vidpipe.runtime.shadow.ask import Shadow

PIPELINE = """
classes: {thing: thing}
models:
  big: {path: big.onnx, family: yolo, names: [thing]}
  little: {path: little.onnx, family: yolo, names: [thing]}
stages:
  - {id: rate, type: sample, fps: 10}
  - {id: find, type: detect, model: big}
"""
CHAMELEON = "{type: chameleon, models: [big, little], sizes: [320, 640], strides: [1, 2, 5]}"
COST = {"big": 40.0, "little": 8.0}
CHEAPEST = {"rate": {"fps": 2.0}, "find": {"model": "little", "size": 320}}
GOLDEN = {"rate": {"fps": 10.0}, "find": {"model": "big", "size": 640}}


@pytest.fixture
def written(tmp_path):
    for model in ("big", "little"):
        constant_network(tmp_path / f"{model}.onnx", {"out": yolo_columns([(30, 30, 20, 20, 0, 0.9)], 1)})

    def made(tuner, pipeline=PIPELINE, streams=("cam",)):
        file = tmp_path / "pipeline.yaml"
        file.write_text(f"{pipeline}\ntuner: {tuner}\n")
        return load(file, sources=dict.fromkeys(streams, f"live+file:{tmp_path / 'clip.mp4'}"))

    return made


@pytest.fixture
def street(written):
    """A run that a tuner is asked about ten times a second; begun."""

    def begun(tuner=CHAMELEON, streams=("cam",)):
        return Street(tuner_of(written(tuner, streams=streams)), streams)

    return begun


class Broken(Tuner):
    """A user's, which takes the pipeline for another one."""

    def begin(self, pipeline):
        pipeline.placed["rates"]

    def tune(self, status):
        return []


class Street:
    """Streams whose every frame has the same boxes, of which little and small ones see some.

    Attributes:
        sees: how many boxes a variant sees, by its settings; those that are not there see all ten.
        fails: variants that fail.
        busy: nothing can be asked.
        asked: settings that were asked for, by stream.
        changes: what was put in force, by stream.
    """

    def __init__(self, tuner, streams):
        self.tuner, self.streams = tuner, list(streams)
        self.sees, self.fails, self.busy = {}, set(), False
        self.boxes = 10
        self.asked = {stream: [] for stream in streams}
        self.changes = {stream: [] for stream in streams}
        self.pts = 0.0
        self.stages = {}
        tuner.ask = self.ask

    def go(self, seconds):
        """Let media time pass."""
        for _ in range(round(seconds * 10)):
            for change in self.tuner.tune(self.status()):
                for stream in self.streams if change.streams is None else change.streams:
                    self.changes[stream].append(change.stages)
            self.pts = round(self.pts + 0.1, 1)

    def status(self):
        now = StreamNow("live", 1 + int(self.pts * 10), self.pts, {}, {}, 0, {}, "find", 0.0, {}, {}, {})
        return Status("running", self.pts, dict.fromkeys(self.streams, now), self.stages, {}, (), 0, 0, False)

    def ask(self, stream, variants):
        if self.busy:
            raise RunError("too many are open")
        told = [(variant.settings["model"], variant.settings["size"]) for variant in variants]
        self.asked[stream] += told
        answers = tuple(self.answer(each) for each in told)
        future = Future()
        future.set_result(Shadow(stream, 0, self.pts, answers, tuple(COST[m] * s / 640 for m, s in told)))
        return future

    def answer(self, settings):
        if settings in self.fails:
            return Answer(nothing(), How.FAILED, "engine", -1, "it died")
        count = self.sees.get(settings, 10) if self.boxes else 0
        xyxy = np.array([[20 * n, 0, 20 * n + 10, 10] for n in range(count)], np.float32).reshape(-1, 4)
        return Answer(sv.Detections(xyxy, class_id=np.zeros(count, int)), How.MEASURED, "find", 0)


def test_what_is_cheapest_is_put_in_force_once(street):
    cam = street()
    cam.go(20)
    assert cam.changes == {"cam": [CHEAPEST]}


def test_what_is_not_accurate_enough_is_not(street):
    cam = street()
    cam.sees = {("little", 640): 7, ("little", 320): 7}
    cam.go(20)
    assert cam.changes["cam"] == [{"rate": {"fps": 2.0}, "find": {"model": "big", "size": 320}}]


def test_where_the_picture_changes_so_does_what_is_in_force(street):
    cam = street()
    cam.go(20)
    cam.sees = {("little", 640): 3, ("little", 320): 3, ("big", 320): 5}
    cam.go(12)
    assert cam.changes["cam"][-1] == GOLDEN | {"rate": {"fps": 2.0}}
    cam.sees = {}
    cam.go(90)
    assert cam.changes["cam"][-1] == CHEAPEST


def test_a_second_of_looks_in_each_segment_is_all_that_it_asks_for(street):
    cam = street()
    cam.go(16)
    assert cam.asked["cam"].count(("big", 640)) == 4 * 10


def test_nothing_is_put_in_force_while_nobody_is_there(street):
    cam = street()
    cam.boxes = 0
    cam.go(20)
    assert cam.changes["cam"] == []


def test_streams_that_are_alike_share_a_profile(street):
    pair = street(streams=["a", "b"])
    pair.go(60)
    assert pair.changes == {"a": [CHEAPEST], "b": [CHEAPEST]}
    whole = [pair.asked[stream].count(("big", 320)) for stream in ("a", "b")]
    assert whole[1] < whole[0]  # b profiled itself only to be placed


@pytest.mark.parametrize(
    ("fails", "changed"),
    [
        ({("little", 640), ("little", 320)}, [{"rate": {"fps": 2.0}, "find": {"model": "big", "size": 320}}]),
        ({("big", 640)}, []),
    ],
)
def test_what_fails_is_not_chosen_and_without_golden_there_is_no_evidence(street, fails, changed):
    cam = street()
    cam.fails = fails
    cam.go(20)
    assert cam.changes["cam"] == changed


def test_what_cannot_be_asked_now_is_asked_later(street):
    cam = street()
    cam.busy = True
    cam.go(6)
    cam.busy = False
    cam.go(10)
    assert cam.changes["cam"] == [CHEAPEST]


def test_a_question_that_the_end_of_the_run_answers_is_no_evidence(street):
    cam = street()

    def ask(*_):
        future = Future()
        future.set_exception(RunError("the run ended"))
        return future

    cam.tuner.ask = ask
    cam.go(10)
    assert cam.changes["cam"] == []


def test_uniform_keeps_to_its_budget(street):
    pair = street("{type: uniform, cpu: 0.5, every_s: 1}", ["a", "b"])
    pair.go(1)
    assert pair.changes == {"a": [], "b": []}  # nobody knows yet what a look takes
    pair.stages = {"find": {"asked": 100, "cpu_ms": 50.0}}
    pair.go(1)
    assert pair.changes == {stream: [{"rate": {"fps": 5.0}}] for stream in "ab"}  # 0.5 s / 50 ms / 2
    pair.stages = {"find": {"asked": 200, "cpu_ms": 51.0}}
    pair.go(1)
    assert len(pair.changes["a"]) == 1, "that is no difference"
    pair.stages = {"find": {"asked": 300, "cpu_ms": 100.0}}  # the last hundred took 198 ms each
    pair.go(1)
    assert pair.changes["a"][-1]["rate"]["fps"] == pytest.approx(0.5 / 0.125 / 2, rel=0.05)
    pair.streams = ["a"]
    pair.go(1)
    assert pair.changes["a"][-1]["rate"]["fps"] == pytest.approx(0.5 / 0.125, rel=0.05)


def test_uniform_stays_within_its_bounds(street):
    cam = street("{type: uniform, cpu: 0.5, least: 1, most: 20, every_s: 1}")
    for asked, cpu_ms, fps in ((100, 1.0, 20), (10_000, 10_000.0, 1)):
        cam.stages = {"find": {"asked": asked, "cpu_ms": cpu_ms}}
        cam.go(1)
        assert cam.changes["cam"][-1] == {"rate": {"fps": fps}}


def test_static_sets_its_settings_once(street):
    pair = street("{type: static, stages: {rate: {fps: 3}}, streams: [b]}", ["a", "b"])
    pair.go(10)
    assert pair.changes == {"a": [], "b": [{"rate": {"fps": 3}}]}


@pytest.mark.parametrize(
    ("tuner", "pipeline", "why"),
    [
        (CHAMELEON, PIPELINE.replace("  - {id: rate, type: sample, fps: 10}\n", ""), "this one has find"),
        ("{type: uniform, cpu: 1}", PIPELINE + "  - {id: last, type: detect, model: big}", "has rate, find, last"),
        ("{type: chameleon, models: [bigg]}", PIPELINE, "there is no model 'bigg'; did you mean 'big'?"),
        ("{type: static, stages: {rates: {fps: 3}}}", PIPELINE, "there is no stage 'rates'"),
        ("{type: static, stages: {rate: {fps: 0}}}", PIPELINE, "stages.rate.fps"),
        ("{type: 'tests.tuning.test_tuners:Broken'}", PIPELINE, "the tuner Broken raised: KeyError: 'rates'"),
    ],
)
def test_a_pipeline_that_they_cannot_tune_does_not_begin(written, tuner, pipeline, why):
    with pytest.raises(ConfigError, match=why.replace("?", r"\?")):
        Run(written(tuner, pipeline), engine="inline")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("strides: [2, 4]", "strides begin with 1 and rise"),
        ("strides: [1, 5, 3]", "strides begin with 1 and rise"),
        ("strides: [1, 20]", "a trial of 10 looks says nothing of one look in 20"),
        ("segment_s: 0.5", "profile_s is longer than segment_s"),
    ],
)
def test_settings_that_do_not_fit_are_a_mistake_of_the_file(written, settings, why):
    with pytest.raises(ConfigError, match=why):
        written(f"{{type: chameleon, {settings}}}")


@pytest.mark.long
@pytest.mark.timed  # shadow asks are answered when the machine has nothing else to do
def test_in_a_run_it_changes_what_results_are_made_with(written, tmp_path):
    clips.encode(tmp_path / "clip.mp4", frames=750)
    tuner = "{type: chameleon, models: [big, little], strides: [1, 2], segment_s: 3, profile_s: 0.5}"
    with Run(written(tuner), engine="inline") as run:
        found = next(result for result in run if result.epoch and result.how == "measured")
        run.stop()
        report = run.join().report
    assert len(found.detections) == 1
    (change, *_) = report["streams"]["cam"]["settings"]
    assert change["by"] == "tuner"
    assert change["changes"]["rate"] == {"fps": 5.0}
    assert change["reason"].endswith("of golden's cost")
    assert {"find model=big size=None", "find model=little size=None"} == set(report["shadows"])
