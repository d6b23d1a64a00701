"""The second in which configurations are held against golden. What must hold:

- F1 is that of boxes matched at IoU 0.5, class by class; what is not looked at is held;
- what is bad enough half-way, and what is dearer than something good enough, looks no further;
- without an object there is no evidence.
"""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.tuning.chameleon.space import Configuration, Look, Space
from vidpipe.tuning.chameleon.trial import Question, Trial

LEVELS, STRIDES = {"big": 2, "mid": 1, "little": 1}, (1, 2, 4)
SPACE = Space(LEVELS, STRIDES)
GOLDEN = SPACE.golden
FRAMES = 8


def boxes(*lefts, label=0):
    """Boxes of 10 x 10 pixels, by their left edge."""
    xyxy = np.array([[left, 0, left + 10, 10] for left in lefts], np.float32).reshape(-1, 4)
    return sv.Detections(xyxy, confidence=np.ones(len(lefts)), class_id=np.full(len(lefts), label))


def judged(sees, *, question=None, frames=FRAMES, given=FRAMES, alpha=0.9):
    """Run a trial: what it found, and how many looks each took. `sees` gives a look's boxes in a frame."""
    trial = Trial(question or Question(GOLDEN, SPACE.knobs(), whole=True), frames, alpha)
    looks = []
    for frame in range(given):
        assert not trial.done
        wanted = trial.wanted()
        assert wanted[0] == GOLDEN.look
        looks += wanted
        trial.take({look: sees(look, frame) for look in wanted})
    assert trial.done == (given == frames)
    return trial.f1(), {look: looks.count(look) for look in SPACE.looks}


@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 6))
def test_law_f1_counts_what_is_right_missed_and_false(there, found, false):
    found = min(found, there)
    far = range(1000, 1000 + 20 * false, 20)

    def sees(look, _):
        return boxes(
            *range(0, 20 * (there if look.model != "little" else found), 20), *(far if look.model == "little" else ())
        )

    f1, _ = judged(sees)
    assert f1[GOLDEN._replace(model="little")] == pytest.approx(2 * found / (there + found + false))
    assert f1[GOLDEN._replace(model="mid")] == 1


def test_a_box_of_another_class_is_wrong():
    f1, _ = judged(lambda look, _: boxes(0, label=int(look.model == "little")))
    assert f1[GOLDEN._replace(model="little")] == 0


def test_between_looks_the_last_one_is_held():
    """A box moves by 3 pixels a frame, of 10: after one frame it overlaps by more than half, after two no more."""
    f1, _ = judged(lambda _, frame: boxes(3 * frame), alpha=0.5)
    assert f1[GOLDEN._replace(stride=2)] == 1
    assert f1[GOLDEN._replace(stride=4)] == 0.5


def test_everybody_looks_at_every_frame_where_nothing_is_sure():
    """Between bad enough and good enough."""

    def sees(look, _):
        return boxes(*range(0, 200, 20)) if look == GOLDEN.look else boxes(*range(0, 180, 20))

    _, looks = judged(sees)
    assert set(looks.values()) == {FRAMES}


def test_what_is_bad_enough_stops_and_with_it_what_is_cheaper():
    def sees(look, _):
        return boxes() if look.model == "mid" else boxes(0)

    f1, looks = judged(sees)
    assert looks == {Look("big", 0): 8, Look("big", 1): 8, Look("mid", 0): 4, Look("little", 0): 4}
    assert f1[GOLDEN._replace(model="mid")] == f1[GOLDEN._replace(model="little")] == 0


def test_where_the_cheapest_is_good_enough_what_is_dearer_stops():
    f1, looks = judged(lambda *_: boxes(0))
    assert looks == {Look("big", 0): 8, Look("big", 1): 8, Look("mid", 0): 4, Look("little", 0): 8}
    assert set(f1.values()) == {1.0}


def test_what_was_found_is_tried_at_its_own_stride():
    tried = [Configuration("little", 0, 4), Configuration("mid", 0, 2), Configuration("mid", 0, 1)]
    question = Question(GOLDEN, [[each] for each in tried], whole=False)
    # Little is bad: but that says nothing of the others, which are no values of one knob.
    f1, looks = judged(lambda look, _: boxes(*([] if look.model == "little" else [0])), question=question)
    assert looks == {Look("big", 0): 8, Look("big", 1): 0, Look("mid", 0): 8, Look("little", 0): 1}
    assert f1 == dict(zip(tried, (0, 1, 1), strict=True))


def test_a_second_without_an_object_is_no_evidence():
    """Also where somebody sees what golden does not."""
    f1, _ = judged(lambda look, _: boxes(*([0] if look.model == "little" else [])))
    assert f1 == {}


@pytest.mark.parametrize(("given", "evidence"), [(0, False), (3, False), (4, True), (7, True)])
def test_half_of_the_frames_are_evidence_and_less_is_none(given, evidence):
    f1, _ = judged(lambda *_: boxes(0), given=given)
    assert bool(f1) == evidence
