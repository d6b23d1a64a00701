"""The cheapest model that agrees with the stages below answers; which one, is learnt from what the frame is like."""

from __future__ import annotations

import pickle

import numpy as np
import supervision as sv

from tests.stages.conftest import ask, frame, grey
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer, How
from vidpipe.stages.detect.select import Select


def boxes(count):
    return sv.Detections(
        xyxy=np.array([[20 * i, 10, 20 * i + 10, 30] for i in range(count)], np.float32).reshape(-1, 4),
        confidence=np.full(count, 0.8, np.float32),
        class_id=np.zeros(count, int),
        data={"class_name": np.full(count, "person")},
    )


class Models:
    """Finds two boxes; `little` only in bright pictures, `middle` wherever it is not black."""

    def __init__(self, name=None, least=0):
        self.name, self.least, self.calls = name, least, 0
        self.all = {} if name else {"little": Models("little", 120), "middle": Models("middle", 40)}

    def detector(self, name, *variant):
        return self.all[name]

    def detect(self, images, floor=None):
        self.calls += len(images)
        return [boxes(2 if image.mean() >= self.least else 0) for image in images]

    def margins(self, detections):
        return np.full(len(detections), 0.4)


def select(**config):
    stage = Select()
    stage.id, stage.config = "select", Select.Config(**config)
    stage.open(Context("select", None, Models(), ("person",), False))
    return stage


def run(stage, frames, *, first=0, seed=0):
    """How many frames of each brightness were answered by which model, of the last third."""
    rng, by = np.random.default_rng(seed), {}
    for seq in range(first, first + frames):
        level = int(rng.choice([10, 80, 200]))
        asked = frame(grey(level), seq, pts=seq / 4)
        answer = ask(stage, asked)
        if answer is None:
            stage.learn(asked, Answer(boxes(2), How.MEASURED, "big", seq))
        if seq >= first + frames * 2 // 3:
            said = "passed on" if answer is None else answer.reason.split(",")[0]
            by.setdefault(level, []).append(said)
    return by


def share(said, what):
    return said.count(what) / len(said)


def test_each_kind_of_frame_goes_to_the_cheapest_model_that_is_right():
    stage = select(models=["little", "middle"], agreement=0.9)
    by = run(stage, 900)
    assert share(by[200], "little") > 0.7
    assert share(by[80], "middle") > 0.5
    assert share(by[10], "passed on") > 0.9


def test_all_is_passed_on_until_something_is_known_and_a_stream_survives_a_restart():
    stage = select(models=["little", "middle"], explore=0)
    assert all(ask(stage, frame(grey(200), seq, pts=seq / 4)) is None for seq in range(50))
    run(stage, 300)
    fresh = select(models=["little", "middle"], explore=0)
    assert fresh.snapshot_stream("cam") is None
    fresh.restore_stream("cam", pickle.loads(pickle.dumps(stage.snapshot_stream("cam"))))
    one, other = (ask(s, frame(grey(200), 999, pts=500.0)) for s in (stage, fresh))
    assert (one is None) == (other is None)


def test_a_change_of_size_and_empty_frames():
    stage = select(models=["little"])
    for seq, size in enumerate([(160, 120), (64, 48), (160, 120)] * 10):
        asked = frame(grey(10, size), seq, pts=seq / 4)
        answer = ask(stage, asked)
        assert stage.fallback(asked).as_of == seq
        if answer is None:
            stage.learn(asked, Answer(boxes(0), How.MEASURED, "big", seq))
