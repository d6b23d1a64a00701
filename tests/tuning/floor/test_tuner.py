"""The tuner that watches floors, in front of a run whose time is the test's. What must hold:

- what audits measure under the floor goes back to careful settings, and stays there for a while, longer each time;
- a cheaper looker comes into force once trials have proven it, and leaves when it stops agreeing;
- trials stay within their share of what the stream costs, and what fails is no evidence.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import supervision as sv

from tests.tuning.floor.conftest import ALONE, PAIR
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.spec import Part
from vidpipe.results.accuracy import Evidence
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import tuner_of
from vidpipe.runtime.shadow.ask import Shadow
from vidpipe.statistics.accuracy import Sums
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, roles_of
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.floor.tuner import Floor, FloorConfig
from vidpipe.tuning.looks import Variant

FLOOR = 0.8
LITTLE = Configuration(Variant("little"), 0.95, "flow", 0.1)


class Street:
    """A stream on which both models see ten boxes, of which little finds some.

    Attributes:
        finds: of little.
        right: share of the audited boxes that are right, under the settings in force; None: nobody audits.
        last_share: of the frames that the last stage looks at.
        tried: model and size of the cheaper looker, of each trial.
        changes: what was put in force, with when and why.
    """

    def __init__(self, pipeline, begins_at=0.0):
        self.tuner = tuner_of(pipeline)
        self.tuner.ask = self.ask
        self.pts, self.frames = begins_at, 0
        self.finds, self.right, self.last_share = 10, None, 1.0
        self.boxes, self.fails, self.busy, self.ends = 10, False, False, False
        self.floor = FLOOR
        self.asked, self.tried, self.changes, self.epochs = [], [], [], []
        self.evidence = {}

    def go(self, seconds):
        for _ in range(round(seconds)):
            self.frames += 25
            self.pts += 1.0
            for change in self.tuner.tune(self.status()):
                self.epochs.append(change)
                self.changes.append((self.pts, change.stages, change.reason))
                assert list(change.streams) == ["cam"]

    @property
    def looker(self):
        """Who looks by the newest change."""
        return "little" if self.changes[-1][1]["little"]["enabled"] else "big"

    def status(self):
        if self.right is not None:
            told = self.evidence.setdefault(len(self.epochs), Evidence(audits={"track": {"boxes": Sums()}}))
            told.frames["track"] += 24
            told.audits["track"]["boxes"] = told.audits["track"]["boxes"].and_frame(20 * self.right, 20)
        by = {"big": round(self.frames * self.last_share)}
        accuracy = {"floor": self.floor, "want": "boxes"}
        now = StreamNow(
            "live", self.frames, self.pts, {}, by, len(self.epochs), {}, "track", 0.0, {}, accuracy, self.evidence
        )
        return Status("running", self.pts, {"cam": now}, {}, {}, tuple(self.epochs), 0, 0, False)

    def ask(self, stream, variants):
        if self.busy:
            raise RunError("too many are open")
        self.asked.append(self.pts)
        self.tried.append((variants[1].settings["model"], variants[1].settings["size"]))
        future = Future()
        if self.ends:
            future.set_exception(RunError("the run ended"))
        else:
            answers = tuple(self.answer(variant.stage) for variant in variants)
            future.set_result(Shadow(stream, 0, self.pts, answers, (40.0, 8.0)))
        return future

    def answer(self, stage):
        if self.fails and stage == "little":
            return Answer(nothing(), How.FAILED, "engine", -1, "it died")
        count = 0 if not self.boxes else self.finds if stage == "little" else self.boxes
        xyxy = np.array([[20 * n, 0, 20 * n + 10, 10] for n in range(count)], np.float32).reshape(-1, 4)
        return Answer(sv.Detections(xyxy, class_id=np.zeros(count, int)), How.MEASURED, stage, 0)


@pytest.fixture
def street(made):
    """A stream whose floor is watched, under these settings."""

    def begun(configuration=CAREFUL, text=PAIR, **options):
        roles = roles_of(made(text, floor=FLOOR))
        pipeline = with_settings(roles, {"cam": (configuration, FLOOR)})
        pipeline = replace(pipeline, tuner=Part(Floor, FloorConfig(trials=0.05)))
        return Street(pipeline, **options)

    return begun


def test_a_floor_that_is_broken_brings_careful_settings_back_with_the_reason(street):
    cam = street(LITTLE)
    cam.finds, cam.right = 6, 0.6
    cam.go(60)
    ((_, stages, reason),) = cam.changes
    assert stages["little"]["enabled"] is False
    assert (stages["track"]["begin_s"], stages["track"]["floor"]) == (0.0, FLOOR)
    assert reason.startswith("measured 0.6")
    assert "for a floor of 0.8: the last stage looks at every frame" in reason


def test_one_that_holds_changes_nothing(street):
    cam = street(LITTLE)
    cam.right = 0.95
    cam.go(300)
    assert cam.changes == []


def test_a_looker_that_trials_have_proven_comes_into_force_and_leaves_when_it_stops_agreeing(street):
    cam = street()
    cam.go(60)
    assert cam.looker == "little"
    assert "little agrees with the last stage to 1.00" in cam.changes[0][2]
    assert cam.changes[0][1]["little"]["model"] == "little"
    cam.finds = 3
    cam.go(600)
    assert cam.looker == "big"
    assert len(cam.changes) == 2


@pytest.mark.parametrize("fails", ["finds", "right"])
def test_what_trials_of_one_looker_said_does_not_count_for_the_next(street, fails):
    """A smaller input was tuned; when it is put out, the little model as it is has to prove itself."""
    cam = street(replace(LITTLE, looker=Variant("little", 320)))
    cam.go(100)
    setattr(cam, fails, 3 if fails == "finds" else 0.3)
    cam.go(40)
    cam.finds, cam.right = 10, None
    out = cam.changes[0][0]
    cam.go(300)
    assert {size for at, (_, size) in zip(cam.asked, cam.tried, strict=True) if at < out} == {320}
    assert {size for at, (_, size) in zip(cam.asked, cam.tried, strict=True) if at >= out} == {None}


@pytest.mark.parametrize(("last_share", "within_s"), [(0.1, 60), (0.001, 120)])
def test_a_looker_that_fails_at_once_is_soon_out_though_trials_are_rare(street, last_share, within_s):
    """By their share they would come every twelve seconds, or every twenty minutes."""
    cam = street(LITTLE)
    cam.last_share = last_share
    cam.go(300)
    assert cam.changes == []
    cam.finds = 3
    cam.go(within_s)
    assert cam.looker == "big"


def test_trials_that_came_early_are_made_up_for(street):
    """A looker that is good enough on the whole, and fails now and then."""
    cam = street(LITTLE)
    cam.last_share = 0.3
    for _ in range(100):
        cam.finds = 10
        cam.go(19)
        cam.finds = 3
        cam.go(1)
    looks = 2000 * 25 * cam.last_share
    assert cam.changes == []
    assert 1.5 * len(cam.asked) <= 0.05 * looks * 1.1 + 12 * 1.5


def test_one_that_is_not_good_enough_never_does(street):
    cam = street()
    cam.finds = 7
    cam.go(600)
    assert cam.changes == []


def test_after_a_breach_nothing_is_loosened_for_a_while_each_time_for_longer(street):
    """Trials agree, and audits do not: as where what they ask about is not what is published."""
    cam, waits = street(LITTLE), []
    for _ in range(3):
        cam.right = 0.5
        cam.go(20)
        assert cam.looker == "big"
        broken = cam.changes[-1][0]
        cam.right = None
        while cam.looker == "big":
            cam.go(1)
            assert cam.pts - broken < 2000
        waits.append(cam.changes[-1][0] - broken)
    assert waits[0] >= 120
    assert waits[1] >= 2 * waits[0] - 2
    assert waits[2] >= 2 * waits[1] - 2


@pytest.mark.parametrize(("last_share", "begins_at"), [(1.0, 0.0), (0.04, 0.0), (0.2, 5000.0)])
def test_trials_stay_within_their_share(street, last_share, begins_at):
    """A trial costs a look and a half; wherever a recording begins, trials begin soon."""
    cam = street(begins_at=begins_at)
    cam.finds, cam.last_share = 7, last_share
    cam.go(1200)
    looks = 1200 * 25 * last_share
    assert 0.5 * 0.05 * looks <= 1.5 * len(cam.asked) + 30 * 1.5
    assert 1.5 * len(cam.asked) <= 0.05 * looks * 1.1 + 2 * 1.5


def test_without_another_model_there_is_nobody_to_try(street):
    cam = street(text=ALONE)
    cam.go(100)
    assert (cam.asked, cam.changes) == ([], [])


@pytest.mark.parametrize("what", ["fails", "busy", "ends"])
def test_what_fails_is_no_evidence_and_is_asked_again(street, what):
    cam = street()
    setattr(cam, what, True)
    cam.go(60)
    assert cam.changes == []
    setattr(cam, what, False)
    cam.go(120)
    assert cam.looker == "little"


def test_frames_that_show_nothing_prove_nothing(street):
    cam = street()
    cam.boxes = 0
    cam.go(300)
    assert cam.changes == []


def test_a_stream_without_a_floor_or_one_that_has_ended_is_left_alone(street):
    cam = street(LITTLE)
    cam.floor, cam.right = None, 0.3
    cam.go(60)
    assert (cam.asked, cam.changes) == ([], [])


def test_a_pipeline_whose_last_stage_is_no_detect_is_refused_in_words(made):
    pipeline = made(ALONE.replace("{id: big, type: detect, model: big}", "{id: rate, type: 'tests.builders:Told'}"))
    with pytest.raises(ConfigError, match="no `detect`"):
        tuner_of(replace(pipeline, tuner=Part(Floor, FloorConfig())))


def test_a_pipeline_without_a_tracker_is_refused_in_words(made):
    with pytest.raises(ConfigError, match="a floor needs a stage `track` before the first `detect`"):
        tuner_of(replace(made(PAIR), tuner=Part(Floor, FloorConfig())))
