"""What a stream's report says of its accuracy, by the cascade's own audits. What must hold:

- every published frame is counted once: looked at, answered by a cheap stage, or unmeasured;
- the interval holds the accuracy of what was published, whether the check or the checked answer was;
- evidence of two sets of frames adds up, and older epochs are summed up without loss.
"""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import SharedTold, Told, answer, cascade, frame
from vidpipe.cascade.audit import Audit, AuditSpec, Look
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import How
from vidpipe.results.accuracy import EPOCHS, Evidence, StreamAccuracy
from vidpipe.results.records import Covered, LateAnswer, LateAudit, Result
from vidpipe.statistics.agreement import Matched, match

FRAMES = [frame(seq) for seq in range(400)]


def record(said, *, seq=0, epoch=0, **more):
    return Result("cam", seq, seq / 10, None, 0.0, epoch, said, **more)


def simulated(seed: int, rate: float, *, publish_checked: bool):
    """A stream in which a stage skips, another one forgets things or sees them twice; what is known, and the truth."""
    rng = np.random.default_rng(seed)
    there = np.logical_xor.accumulate(rng.random((len(FRAMES), 3)) < 0.05, axis=0)
    believed = there & (rng.random(there.shape) > 0.15) | (rng.random(there.shape) < 0.02)
    truth = [np.flatnonzero(row).tolist() for row in there]
    told = [np.flatnonzero(row).tolist() for row in believed]
    sample = Told("sample", lambda f: answer("sample", how=How.SKIPPED, as_of=-1) if f.seq % 2 else None)
    cheap = Told("cheap", lambda f: answer("cheap", *told[f.seq], as_of=f.seq) if f.seq % 10 else None)
    big = SharedTold("big", lambda f: answer("big", *truth[f.seq], as_of=f.seq))
    audit = AuditSpec(rate=rate, max_unchecked_s=30, seed=seed)
    run = cascade(sample, cheap, big, audit=audit, publish_checked=publish_checked)
    accuracy, right = StreamAccuracy(), Matched(0, 0)
    said = seen = shared = named = 0
    for picture in FRAMES:
        ticket = Ticket(picture)
        run.ask([ticket])
        given, audited = run.complete(ticket)[:2]
        accuracy.count(record(given, seq=picture.seq, audit=audited, look=run.look(picture.seq, given)))
        true = answer("big", *truth[picture.seq])
        matched = match(given.detections, true.detections)
        right = Matched(right.right + matched.right, right.boxes + matched.boxes)
        classes = set(given.detections.class_id.tolist()) if len(given.detections) else set()
        shared += len(classes & set(truth[picture.seq]))
        named += len(classes) + len(truth[picture.seq])
        said, seen = said + len(given.detections), seen + len(true.detections)
    f1, near = 2 * right.right / right.boxes, 1 - abs(said - seen) / seen
    return accuracy.whole, {"boxes": f1, "presence": 2 * shared / named, "count": near}


@pytest.mark.parametrize("publish_checked", [True, False], ids=["replay", "live"])
def test_the_interval_holds_the_accuracy_of_what_was_published(publish_checked):
    streams = [simulated(seed, 0.1, publish_checked=publish_checked) for seed in range(15)]
    for want in ("boxes", "presence", "count"):
        found = [(evidence.estimate(want), truths[want]) for evidence, truths in streams]
        assert sum(one.low <= truth <= one.high for one, truth in found) >= 14
        assert np.mean([one.value - truth for one, truth in found]) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("publish_checked", [True, False], ids=["replay", "live"])
def test_where_every_answer_is_audited_the_accuracy_is_exact(publish_checked):
    evidence, truths = simulated(0, 1, publish_checked=publish_checked)
    for want, truth in truths.items():
        assert evidence.estimate(want) == pytest.approx((truth, truth, truth))


@pytest.mark.parametrize("publish_checked", [True, False])
def test_every_frame_is_counted_once(publish_checked):
    evidence, _ = simulated(1, 0.1, publish_checked=publish_checked)
    assert frames_of(evidence) == len(FRAMES)
    assert set(evidence.audits) == {"sample", "cheap"}
    assert evidence.unmeasured == 0
    assert evidence.looks == sum(each["boxes"].n for each in evidence.audits.values()) > 20


def frames_of(evidence: Evidence) -> int:
    looked = sum(known["boxes"].n for known in (evidence.looked, evidence.late) if known)
    return looked + evidence.frames.total() + evidence.stood.total() + evidence.unmeasured


SOME = st.builds(
    record,
    st.sampled_from(
        [
            answer("cheap", 0, 1),
            answer("skips", how=How.SKIPPED),
            answer("big", 0, 0),
            answer("source", how=How.DROPPED),
            answer("big", how=How.FAILED),
            replace(answer("big", 1), partial=True),
        ]
    ),
    epoch=st.integers(0, 3),
    audit=st.sampled_from([None, None, Audit("cheap", True, False, Matched(1, 3), Matched(1, 3), 1)]),
    covered=st.sampled_from([None, None, Covered.LATE]),
    look=st.sampled_from([None, Look(2, 1), Look(0, 0)]),
)


@given(one=st.lists(SOME, max_size=20), other=st.lists(SOME, max_size=20))
def test_evidence_of_two_sets_adds_up(one, other):
    whole, parts = Evidence(), (Evidence(), Evidence())
    for part, records in zip(parts, (one, other), strict=True):
        for each in records:
            part.count(each)
            whole.count(each)
    assert parts[0] + parts[1] == whole
    assert frames_of(whole) == len(one) + len(other)
    assert pickle.loads(pickle.dumps(whole)) == whole


@pytest.mark.parametrize(
    "lost",
    [
        record(answer("source", how=How.SKIPPED, reason="not decoded")),
        record(answer("source", how=How.DROPPED, reason="damaged")),
        record(answer("big", how=How.FAILED)),
        record(answer("engine", how=How.REUSED), covered=Covered.LATE),
        record(answer("track", 0, how=How.TRACKED), covered=Covered.LATE),
        record(replace(answer("big", 0), partial=True)),
    ],
)
def test_what_no_audit_can_tell_of_is_unmeasured(lost):
    accuracy = StreamAccuracy()
    accuracy.count(lost)
    told = accuracy.report()
    assert told["unmeasured"] == 1
    assert (told["f1"], told["low"], told["high"], told["looks"], told["held"]) == (None, None, None, 0, None)


def test_a_late_audit_counts_for_the_frame_that_it_was_of():
    """It was published without waiting, and counted as a frame of which nothing is known."""
    accuracy = StreamAccuracy()
    stands = record(answer("cheap", 0), covered=Covered.LATE, epoch=2)
    accuracy.count(stands)
    audit = Audit("cheap", False, True, Matched(1, 3), Matched(1, 2), 2)
    accuracy.count_late_audit(LateAudit("cam", 2, audit, stood=True))
    whole = accuracy.whole
    assert (whole.unmeasured, whole.stood, whole.frames.total(), whole.looks) == (0, {"cheap": 1}, 0, 1)
    assert accuracy.by_epoch[2] == whole
    assert whole.estimate("boxes").value == pytest.approx(2 / 3)
    # Of a frame that something else was published for, it says only how good the stage is.
    accuracy.count(record(answer("engine", how=How.REUSED), covered=Covered.LATE, epoch=2))
    accuracy.count_late_audit(LateAudit("cam", 2, audit, stood=False))
    assert (accuracy.whole.unmeasured, accuracy.whole.looks) == (1, 2)


def test_a_late_answer_of_the_last_stage_says_what_was_published_in_its_place():
    accuracy = StreamAccuracy()
    for _ in range(4):
        accuracy.count(record(answer("engine", 0, how=How.REUSED), covered=Covered.LATE))
    held = Audit("engine", True, False, Matched(1, 4), Matched(1, 2), 1)
    for _ in range(3):
        accuracy.count_late_answer(LateAnswer("cam", "big", "engine", 0, held))
    accuracy.count_late_answer(LateAnswer("cam", "little", "engine", 0, None))
    told = accuracy.report()
    assert (told["f1"], told["low"], told["high"]) == (0.5, 0.5, 0.5)
    assert (told["looked_late"], told["looked"], told["looks"], told["unmeasured"]) == (3, 0, 0, 1)
    assert frames_of(accuracy.whole) == 4


def test_older_epochs_are_summed_up():
    accuracy, every = StreamAccuracy(), Evidence()
    for epoch in range(3 * EPOCHS):
        published = record(answer("cheap", 0), epoch=epoch)
        accuracy.count(published)
        every.count(published)
    late = LateAudit("cam", 1, Audit("cheap", False, False, Matched(1, 2), Matched(1, 2), 1), stood=False)
    accuracy.count_late_audit(late)
    every.count_late_audit(late)
    assert list(accuracy.by_epoch) == list(range(2 * EPOCHS, 3 * EPOCHS))
    assert accuracy.whole == every


@pytest.mark.parametrize(
    ("floor", "wrong", "held", "sure"),
    [(0.9, 0, True, True), (0.999, 0, True, False), (0.9, 52, False, False), (0.9, 200, False, True)],
)
def test_whether_a_floor_is_held_and_whether_that_may_be_chance(floor, wrong, held, sure):
    accuracy = StreamAccuracy()
    accuracy.floor = floor
    for seq in range(500):
        audit = Audit("cheap", False, False, Matched(int(seq >= wrong), 2), Matched(1, 2), 1)
        accuracy.count(record(answer("cheap", 0), audit=audit))
        accuracy.count(record(answer("cheap", 0)))
    told = accuracy.report()
    assert (told["held"], told["sure"], told["looks"]) == (held, sure, 500)


def test_no_floor_is_neither_held_nor_missed():
    accuracy = StreamAccuracy()
    accuracy.count(record(answer("big", 0), look=Look(1, 1)))
    told = accuracy.report()
    assert (told["f1"], told["floor"], told["held"], told["sure"]) == (1, None, None, None)
    accuracy.floor, accuracy.want = 0.9, "count"
    told = accuracy.report()
    assert (told["want"], told["held"], told["sure"]) == ("count", True, True)
