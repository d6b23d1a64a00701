"""The thread of shared stages. What must hold: whatever goes wrong around it costs a frame, and it goes on."""

from __future__ import annotations

import sys

import pytest

from tests.builders import CLASSES, NO_AUDITS, SharedTold, answer, frame, passes
from vidpipe.cascade.cascade import Cascade, Completed, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.core.answer import How
from vidpipe.core.errors import RunError
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.segment_worker import SegmentWorker


class Breaks:
    """A `Downstream` that raises at every second frame."""

    def __init__(self, error):
        self.error = error

    def ask(self, ticket, *, complete):
        if ticket.frame.seq % 2:
            raise self.error
        pending = PendingResult()
        pending.complete(Completed(answer("big", 0, as_of=ticket.frame.seq)))
        return pending

    def complete(self, stream, seq):
        if seq % 4 == 2:
            raise self.error


@pytest.mark.parametrize("error", [AssertionError("a picture that travels has planes"), SystemExit(3), GeneratorExit()])
@pytest.mark.parametrize("later", [False, True])
def test_a_broken_way_down_costs_its_frames_and_not_the_thread(error, later):
    stage = SharedTold("little", passes)
    segment_worker = SegmentWorker(lambda: above(stage), Breaks(error), "test")
    segment_worker.start().result(10)
    replies = [segment_worker.ask(Ticket(frame(seq)), complete=not later) for seq in range(6)]
    if later:
        for seq in range(6):
            segment_worker.complete("cam", seq)
    answers = [pending.completed.result(10).answer for pending in replies]
    bad = {1, 3, 5} | ({2} if later else set())
    assert {seq for seq, given in enumerate(answers) if given.how is How.FAILED} == bad
    assert all(type(error).__name__ in answers[seq].reason for seq in bad)
    segment_worker.restore({"cam": {"little": b"no pickle"}})
    segment_worker.stop(10)
    assert stage.asked == list(range(6))


def above(stage):
    return Cascade([StageRunner(stage.id, True, False, lambda _: stage, CLASSES)], NO_AUDITS, last="big")


def test_what_ends_a_process_does_not_end_the_one_who_waits_for_the_stages():
    opened = SegmentWorker(lambda: sys.exit(3), None, "test").start()
    with pytest.raises(RunError, match=r"^SystemExit: 3$"):
        opened.result(10)
