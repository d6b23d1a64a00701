"""A live stream's thread. What must hold:

- an answer of its own tier is waited for, in order, unless it takes too long; of a slower tier it is only learnt from;
- a frame that nobody looks at is dropped or covered, with a reason, and what it was to check is owed to the next;
- a source that does not open, or an answer that never comes, ends neither the run nor its end.

Time stands still but where a test turns the clock.
"""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.builders import CLASSES, NO_AUDITS, SharedTold, Told, answer, cascade, measures, passes
from tests.waiting import until
from vidpipe.cascade.audit import Audit, AuditSpec
from vidpipe.cascade.cascade import Cascade, Completed
from vidpipe.cascade.runner import StageRunner
from vidpipe.core.answer import How
from vidpipe.core.errors import SourceError
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import LateAudit
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.fair_queue import SIZE
from vidpipe.runtime.segment_worker import SegmentWorker
from vidpipe.runtime.streams.ordering import PATIENCE_S, Detour
from vidpipe.runtime.streams.parts import Parts
from vidpipe.runtime.streams.stream_worker import STOP_S, StreamWorker
from vidpipe.statistics.agreement import Matched
from vidpipe.testing.camera import FakeCamera
from vidpipe.testing.clock import HandClock


class Held:
    """A `Downstream` that answers when the test says so."""

    def __init__(self, far=False):
        self.far = far
        self.asked = {}

    def ask(self, ticket, *, complete):
        pending = PendingResult()
        if self.far:
            pending.went_far()
        self.asked[ticket.frame.seq] = ticket, pending
        return pending

    def answers(self, seq):
        until(lambda: seq in self.asked)
        self.asked[seq][1].complete(Completed(answer("big", 0, as_of=seq)))

    def refuses(self, seq):
        until(lambda: seq in self.asked)
        self.asked[seq][1].refuse()


class Running:
    """A live stream on a detour, and what comes out of it."""

    def __init__(self, downstream, *stages, audit=NO_AUDITS, make=None):
        self.clock = HandClock()
        self.camera = FakeCamera(clock=self.clock)
        self.outbox = Outbox()
        self.published = []
        self.late_audits = []
        self.refused = 0
        self.ended = None
        parts = Parts(self.camera, above(*stages, audit=audit, publish_checked=False))
        self.worker = StreamWorker(
            "cam",
            make or (lambda: parts),
            downstream,
            self.outbox,
            ordering=Detour(self.clock, live=True),
            live=True,
            clock=self.clock,
        )

    def __enter__(self):
        self.worker.open().result()
        self.worker.start()
        return self

    def __exit__(self, *_):
        self.worker.stop()
        self.clock.turn(STOP_S)
        assert self.worker.join(10)

    def comes(self, count):
        """The answers, once there are so many."""

        def enough():
            self.take()
            return len(self.published) >= count

        until(enough)
        return [(record.seq, record.answer.how, record.answer.by, record.covered) for record in self.published]

    def take(self):
        batch = self.outbox.take(0.01)
        self.published += batch.published
        self.late_audits += batch.late_audits
        self.refused += batch.refused["cam"]
        self.ended = self.ended or next(iter(batch.ended), None)


def above(*stages, audit=NO_AUDITS, **options):
    """Stages of the device; the last one of the pipeline stands further down."""
    runners = [StageRunner(stage.id, stage.shared, False, lambda _, stage=stage: stage, CLASSES) for stage in stages]
    return Cascade(runners, audit, last="big", **options)


def test_an_answer_of_its_own_tier_is_waited_for():
    downstream = Held()
    with Running(downstream, Told("upper", passes)) as run:
        run.camera.show()
        downstream.answers(0)
        assert run.comes(1) == [(0, How.MEASURED, "big", None)]


def test_answers_come_in_order_whichever_is_there_first():
    downstream = Held()
    upper = Told("upper", lambda frame: None if frame.seq == 0 else answer("upper", 1, as_of=frame.seq))
    with Running(downstream, upper) as run:
        run.camera.show()
        until(lambda: 0 in downstream.asked)
        run.camera.show()
        downstream.answers(0)
        assert [came[:3] for came in run.comes(2)] == [(0, How.MEASURED, "big"), (1, How.MEASURED, "upper")]


def test_one_of_a_slower_tier_is_only_learnt_from():
    downstream = Held(far=True)
    upper = Told("upper", passes)
    with Running(downstream, upper) as run:
        run.camera.show()
        assert run.comes(1) == [(0, How.REUSED, "engine", "late")]
        downstream.answers(0)
        until(lambda: upper.learnt == [(0, "big")])


def test_one_that_takes_too_long_is_covered_and_learnt_later():
    downstream = Held()
    upper = Told("upper", passes)
    with Running(downstream, upper) as run:
        run.camera.show()
        until(lambda: 0 in downstream.asked)
        run.clock.turn(0.9 * PATIENCE_S)
        run.take()
        assert not run.published
        run.clock.turn(0.1 * PATIENCE_S)
        assert run.comes(1) == [(0, How.REUSED, "engine", "overloaded")]
        downstream.answers(0)
        until(lambda: upper.learnt == [(0, "big")])


def test_a_frame_that_nobody_looks_at_is_dropped_with_a_reason():
    downstream = Held()
    with Running(downstream, Told("upper", passes)) as run:
        run.camera.show()
        downstream.answers(0)
        run.comes(1)
        run.camera.show()
        downstream.refuses(1)
        assert run.comes(2)[1] == (1, How.DROPPED, "engine", "overloaded")
        until(lambda: run.take() or run.refused == 1)
        assert run.published[1].answer.as_of == 0
        assert len(run.published[1].answer.detections) == 1


def test_a_stage_that_covers_fills_the_gap():
    class FallsBack(Told):
        def fallback(self, frame):
            return answer(self.id, 1, how=How.TRACKED, as_of=-1)

    downstream = Held()
    with Running(downstream, FallsBack("upper", passes)) as run:
        run.camera.show()
        downstream.refuses(0)
        assert run.comes(1) == [(0, How.TRACKED, "upper", "overloaded")]


def test_a_look_that_was_due_and_refused_is_owed_to_the_next_frame():
    downstream = Held(far=True)
    upper = Told("upper", measures("upper", 1))
    with Running(downstream, upper, audit=AuditSpec(rate=0, max_unchecked_s=5)) as run:
        for pts in (0.0, 6.0):
            run.camera.show(pts=pts)
        downstream.refuses(1)
        until(lambda: run.take() or run.refused == 1)
        run.camera.show(pts=6.1)
        downstream.answers(2)
        run.camera.show(pts=6.2)
        came = run.comes(4)
        assert [told[1:] for told in came] == [
            (How.MEASURED, "upper", covered) for covered in (None, "late", "late", None)
        ]
        assert set(downstream.asked) == {1, 2}


def test_an_answer_stands_until_its_audit_comes():
    """The check is of what was published: an answer that carries the last one is not judged by what came later."""
    downstream = Held(far=True)
    said = {0: answer("upper", 0), 1: answer("upper", how=How.SKIPPED, as_of=-1), 2: answer("upper", 1, as_of=2)}
    with Running(downstream, Told("upper", lambda frame: said[frame.seq]), audit=AuditSpec(rate=1)) as run:
        for count in (1, 2, 3):
            run.camera.show()
            run.comes(count)
        assert [(record.answer.by, record.audit, record.covered) for record in run.published] == [
            ("upper", None, "late")
        ] * 3
        for seq in (0, 1, 2):
            downstream.answers(seq)  # one box of class 0

        def audited():
            run.take()
            return len(run.late_audits) == 3

        until(audited)
    same, other = Matched(1, 2), Matched(0, 2)
    assert run.late_audits == [
        LateAudit("cam", 0, Audit("upper", False, False, same, same, 1, seq=0), stood=True),
        LateAudit("cam", 0, Audit("upper", False, False, same, same, 1, seq=1), stood=True),
        LateAudit("cam", 0, Audit("upper", True, True, other, other, 1, seq=2), stood=True),
    ]


def test_a_stop_does_not_wait_for_what_never_comes():
    downstream = Held()
    with Running(downstream, Told("upper", passes)) as run:
        run.camera.show()
        run.camera.show()
        until(lambda: downstream.asked.keys() == {0, 1})
        run.worker.stop()
        run.clock.turn(STOP_S)
        assert run.worker.join(10)
        until(lambda: run.take() or run.ended)
        assert [record.seq for record in run.published] == [0, 1]


def test_a_source_that_does_not_open_ends_its_stream_only():
    def make():
        raise SourceError("stream cam: no such camera")

    run = Running(None, make=make)
    assert isinstance(run.worker.open().result(), SourceError)
    until(lambda: run.take() or run.ended)
    assert str(run.ended.error) == "stream cam: no such camera"


class Counted:
    """A `Downstream` that counts what it hands on."""

    def __init__(self, downstream):
        self._downstream = downstream
        self.asked = Counter()

    def ask(self, ticket, *, complete):
        pending = self._downstream.ask(ticket, complete=complete)
        self.asked[ticket.frame.stream] += 1
        return pending


@pytest.mark.parametrize("weight", [1, 3])
def test_a_slow_stage_of_many_streams_takes_their_newest_by_turns(weight):
    """Two streams, more frames of each come while one is looked at than may wait."""
    looks = []
    may = threading.Semaphore(0)

    class Slow(SharedTold):
        def answer(self, frames):
            looks.append([(frame.stream, frame.seq) for frame in frames])
            may.acquire()
            return super().answer(frames)

    stage = Slow("big", measures("big", 0))
    segment_worker = SegmentWorker(lambda: cascade(stage), None, "test", {"a": weight, "b": 1.0})
    segment_worker.start().result()
    counted = Counted(segment_worker)
    clock = HandClock()
    cameras = {name: FakeCamera(name, clock=clock) for name in "ab"}
    workers = [
        StreamWorker(
            name,
            lambda camera=camera: Parts(camera, above(Told("upper", passes))),
            counted,
            Outbox(),
            ordering=Detour(clock, live=True),
            live=True,
            clock=clock,
        )
        for name, camera in cameras.items()
    ]
    for worker in workers:
        worker.open().result()
        worker.start()
    for count in range(41):
        until(lambda count=count: len(looks) == count)
        for come in (SIZE, 1):  # a camera has no room for more
            shown = {name: [camera.show() for _ in range(come)][-1] + 1 for name, camera in cameras.items()}
            until(lambda shown=shown: counted.asked == shown)
        if count:
            may.release()
    for worker in workers:
        worker.stop()
    may.release(1000)
    clock.turn(STOP_S)
    for worker in workers:
        assert worker.join(10)
    segment_worker.stop(5)
    streams = [stream for ((stream, _),) in looks[1:41]]  # none is known to be slow before the first
    assert streams.count("a") / streams.count("b") == pytest.approx(weight, rel=0.2)
    for name in "ab":
        numbers = [seq for look in looks for stream, seq in look if stream == name]
        assert numbers == sorted(numbers)


def test_one_that_has_ended_tells_no_more_of_itself():
    """What it went on telling diluted its rates, and came among what a new one of its name tells."""
    with Running(Held(), Told("upper", measures("upper"))) as run:
        run.camera.show()
        run.comes(1)
        assert run.worker.health is not None
    run.take()
    assert run.ended.health is not None
    assert run.worker.health is None
