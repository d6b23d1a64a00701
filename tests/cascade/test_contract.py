"""What a stage may say. What must hold: whatever it gives costs at most that frame, with the stage's name and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import CLASSES, SharedTold, Told, answer, boxes, cascade, frame, measures, passes
from vidpipe.cascade.cascade import Ticket
from vidpipe.cascade.contract import Contract
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import StageError

GOOD = Answer(boxes(0, 1, 2), How.TRACKED, "pick", 3)


def changed(**fields):
    """Good detections of three boxes with some fields set to others, as no constructor would let them be."""
    spoilt = boxes(0, 1, 2)
    for name, value in fields.items():
        setattr(spoilt, name, value)
    return replace(GOOD, detections=spoilt)


def placed(*box):
    xyxy = boxes(0, 1, 2).xyxy.copy()
    xyxy[1] = box
    return changed(xyxy=xyxy)


NAMES = np.array(["class0", "class1", "class2"])
BAD = {
    "a str in place of an Answer": "person",
    "a How in place of an Answer": How.EMPTY,
    "detections that are a list": replace(GOOD, detections=[]),
    "detections that are a NoneType": replace(GOOD, detections=None),
    "`how` is 'measured' and no How": replace(GOOD, how="measured"),
    "that is failed, which no stage may say": replace(GOOD, how=How.FAILED),
    "that is dropped, which no stage may say": replace(GOOD, how=How.DROPPED),
    "as of 6 to frame 5": replace(GOOD, as_of=6),
    "as of -2 to frame 5": replace(GOOD, as_of=-2),
    "as of a float64": replace(GOOD, as_of=np.float64(3)),
    "as of 2.0 to frame 5": replace(GOOD, as_of=2.0),
    "by 'source': its own bear its id": replace(GOOD, by="source"),
    "`reason` is no str": replace(GOOD, reason=None),
    "`partial` is no bool": replace(GOOD, partial=np.zeros(3)),
    "boxes without data['class_name']": changed(data={}),
    "boxes without `class_id`": changed(class_id=None),
    "the name 'dog': it is 'class1'": changed(data={"class_name": np.array(["class0", "dog", "class2"])}),
    "has not one value for each of 3 boxes": changed(data={"class_name": NAMES[:2]}),
    "no array or list of plain values": changed(data={"class_name": NAMES, "x": np.array([len, len, len])}),
    "of class 10: the pipeline's classes are 0 to 9": changed(class_id=np.array([0, 10, 2])),
    "of class -1": changed(class_id=np.array([-1, 1, 2])),
    "`class_id` is no array of 3 numbers": changed(class_id=np.array([0.0, 1.0, 2.0])),
    "`confidence` is no array of 3 numbers": changed(confidence=np.array([0.5])),
    "`tracker_id` is no array of 3 numbers": changed(tracker_id=np.array([1, 2])),
    "2 masks for 3 boxes": changed(mask=np.zeros((2, 48, 64), bool)),
    "a box that scores 1.5": changed(confidence=np.array([0.5, 1.5, 0.5])),
    "a box that scores -0.1": changed(confidence=np.array([0.5, 0.5, -0.1])),
    "a box that scores nan": changed(confidence=np.array([0.5, np.nan, 0.5])),
    "its corners are swapped": placed(9, 4, 3, 9),
    "nowhere near the 64x48 picture": placed(4, 4, np.inf, 9),
    "[nan, 4, 9, 9]": placed(np.nan, 4, 9, 9),
    "[-70, 4, 9, 9]: nowhere near": placed(-70, 4, 9, 9),
    "[4, 4, 9, 97]: nowhere near": placed(4, 4, 9, 97),
    "`xyxy` is no array of numbers [n, 4]": changed(xyxy=np.zeros((3, 5))),
    "more than plain values": changed(metadata={"model": object()}),
    "cannot be read": changed(mask=7),
}


@pytest.mark.parametrize("wrong", BAD)
@pytest.mark.parametrize("shared", [False, True])
def test_a_bad_answer_costs_that_frame_only_and_says_why(wrong, shared):
    says = lambda f: BAD[wrong] if f.seq == 5 else replace(GOOD, as_of=f.seq)  # noqa: E731
    pick = (SharedTold if shared else Told)("pick", says)
    run = cascade(pick)
    tickets = [Ticket(frame(seq)) for seq in range(4, 7)]
    run.ask(tickets)
    before, failed, after = (run.complete(ticket).answer for ticket in tickets)
    assert (before.how, failed.how, after.how) == (How.TRACKED, How.FAILED, How.TRACKED)
    assert failed.by == "pick"
    assert failed.reason.startswith("stage pick gave ")
    assert wrong in failed.reason
    assert failed.detections is before.detections
    assert run.meters()["pick"].raised == {"answer": 1}


@pytest.mark.parametrize("wrong", BAD)
def test_nonsense_of_learn_and_cover_costs_no_answer(wrong):
    pick = Told("pick", passes)
    pick.learn = lambda frame, answer: BAD[wrong]
    pick.fallback = lambda frame: BAD[wrong]
    run = cascade(pick, SharedTold("last", measures("last", 0)))
    ticket = Ticket(frame(5))
    run.ask([ticket])
    assert run.fallback(ticket, "late").by == "engine"
    completed = run.complete(ticket).answer
    meter = run.meters()["pick"]
    assert meter.raised["fallback"] == 1
    if "its own bear" in wrong:  # a completed answer bears the id of who gave it
        assert completed.by == "source"
    else:
        assert (completed.how, completed.by) == (How.MEASURED, "last")
        assert meter.raised["learn"] == 1
        assert "stage pick gave " in meter.first_error


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        replace(GOOD, detections=nothing(), how=How.SKIPPED, as_of=-1),
        replace(GOOD, detections=sv.Detections.empty(), how=How.EMPTY),
        changed(confidence=None),
        changed(confidence=np.array([0.0, 1.0 + 1e-7, 1.0])),
        changed(tracker_id=np.array([4, -1, 7])),
        changed(data={"class_name": ["class0", "class1", "class2"], "vector": np.zeros((3, 8), np.float32)}),
        changed(metadata={"model": "m", "sizes": [1, 2.5, None]}),
        placed(4, 4, 4, 4),
        placed(-60, -40, 120, 90),
    ],
)
def test_good_answers_stand(good):
    Contract("pick", CLASSES).check(good, frame(5))


def test_detections_are_looked_through_once():
    """A filter repeats an answer for minutes: only the first is worth a look, in each stream."""
    contract = Contract("pick", CLASSES)
    repeated = boxes(0, 1)
    contract.check(Answer(repeated, How.REUSED, "pick", 0), frame(1))
    repeated.xyxy[:] = np.nan  # nobody may do that; here it tells whether they are looked at
    contract.check(Answer(repeated, How.REUSED, "pick", 0, "again"), frame(2))
    with pytest.raises(StageError, match="nowhere near"):
        contract.check(Answer(repeated, How.REUSED, "pick", 0), frame(2, stream="other"))


ANYTHING = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.none() | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([object(), How.EMPTY, How, Answer, sv.Detections, nothing(), np.zeros(3), [[]], lambda: None]),
)
NUMBERS = st.sampled_from([0, 1, 2, -1, 7, 99]) | st.floats(width=32)


@st.composite
def half_right(draw):
    """Detections with each field right, of another length, or anything at all."""
    spoilt = boxes(0, 1)
    count = draw(st.integers(0, 3))
    fields = {
        "xyxy": st.lists(NUMBERS, min_size=4 * count, max_size=4 * count).map(
            lambda n: np.array(n, float).reshape(-1, 4)
        ),
        "confidence": st.lists(NUMBERS, min_size=count, max_size=count).map(lambda n: np.array(n, float)),
        "class_id": st.lists(st.integers(-2, 12), min_size=count, max_size=count).map(lambda n: np.array(n, int)),
        "tracker_id": st.lists(st.integers(-2, 12), max_size=3).map(lambda n: np.array(n, int)),
        "data": st.fixed_dictionaries({"class_name": st.lists(st.sampled_from(CLASSES), max_size=3).map(np.array)}),
        "mask": ANYTHING,
        "metadata": ANYTHING,
    }
    for name in draw(st.lists(st.sampled_from(list(fields)), unique=True, max_size=3)):
        setattr(spoilt, name, draw(fields[name] | ANYTHING))
    return spoilt


ANSWERS = ANYTHING | st.builds(
    Answer,
    detections=half_right() | ANYTHING,
    how=st.sampled_from(How) | ANYTHING,
    by=st.just("pick") | ANYTHING,
    as_of=st.integers(-3, 9) | ANYTHING,
    reason=st.just("") | ANYTHING,
    partial=st.booleans() | ANYTHING,
)


@settings(deadline=None)
@given(returned=st.lists(ANSWERS, max_size=3) | ANYTHING)
def test_law_whatever_a_stage_gives_is_published_only_if_it_is_sound(returned):
    pick = SharedTold("pick", passes)
    pick.answer = lambda frames: returned
    run = cascade(pick, SharedTold("last", measures("last", 0)))
    ticket = Ticket(frame(5))
    run.ask([ticket])
    answer = run.complete(ticket).answer
    taken = returned if type(returned) is list and len(returned) == 1 else ["nonsense"]
    if taken == [None]:
        assert answer.by == "last"
    elif answer.how is How.FAILED:
        assert answer.by == "pick"
        assert "stage pick gave " in answer.reason
        assert run.meters()["pick"].raised == {"answer": 1}
    else:
        assert answer.detections is taken[0].detections or answer.how is How.SKIPPED
        assert_sound(answer, 5)


def assert_sound(answer, seq):
    found = answer.detections
    assert isinstance(answer.how, How)
    assert -1 <= answer.as_of <= seq
    xyxy = np.asarray(found.xyxy, float)
    assert np.isfinite(xyxy).all()
    assert (xyxy[:, 2:] >= xyxy[:, :2]).all()
    assert (xyxy >= -64).all()
    assert (xyxy <= 128).all()
    if len(found):
        assert [CLASSES[number] for number in found.class_id] == list(found.data["class_name"])
        assert found.confidence is None or ((found.confidence >= -1e-6) & (found.confidence <= 1 + 1e-6)).all()


def test_a_batch_with_one_bad_answer_loses_that_one():
    pick = SharedTold("pick", lambda f: "nonsense" if f.seq == 1 else answer("pick", 0, as_of=f.seq))
    run = cascade(pick)
    tickets = [Ticket(frame(seq)) for seq in range(3)]
    run.ask(tickets)
    assert [run.complete(ticket).answer.how for ticket in tickets] == [How.MEASURED, How.FAILED, How.MEASURED]
    assert pick.calls == [3]


def test_a_batch_with_too_few_answers_is_asked_one_by_one():
    pick = SharedTold("pick", measures("pick", 0))
    plain = pick.answer
    pick.answer = lambda frames: plain(frames)[: 2 if len(frames) > 2 else None]
    run = cascade(pick)
    tickets = [Ticket(frame(seq)) for seq in range(3)]
    run.ask(tickets)
    assert [run.complete(ticket).answer.how for ticket in tickets] == [How.MEASURED] * 3
    assert run.meters()["pick"].errors == 0
    assert run.meters()["pick"].asked == 3
