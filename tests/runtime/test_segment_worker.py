"""The thread of shared stages. What must hold: whatever goes wrong around it costs a frame, and it goes on."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future

import pytest

from tests.builders import CLASSES, NO_AUDITS, SharedTold, answer, frame, passes
from tests.waiting import until
from vidpipe.cascade.cascade import Cascade, Completed, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.core.answer import How
from vidpipe.core.errors import RunError
from vidpipe.core.settings import StageConfig
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.segment_worker import MOST_BACK, SegmentWorker
from vidpipe.runtime.shadow.ask import ShadowAsk


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


class Asked:
    """Frames that are asked again of a stage that waits until it may go on."""

    def __init__(self):
        self.going = threading.Event()
        self.stage = SharedTold("big", self.says)
        self.worker = SegmentWorker(lambda: above(self.stage), None, "test", stages={"big"})
        self.worker.start().result(10)
        self.replies = {}

    def says(self, of):
        self.going.wait(10)
        return answer("big", 0, as_of=of.seq)

    def back(self, seq):
        told = self.replies[seq] = Future()
        ask = ShadowAsk(0, 0, "reachback", "big", StageConfig(), back=True)
        self.worker.shadow(frame(seq), [ask], lambda _, reply: told.set_result(reply.answer))

    def holds(self):
        """Has the stage busy with a frame."""
        self.worker.ask(Ticket(frame(100)), complete=True)
        until(lambda: self.stage.asked)


def test_what_is_asked_again_waits_for_what_somebody_waits_for():
    asked = Asked()
    asked.holds()
    asked.back(1)
    asked.back(2)
    pending = [asked.worker.ask(Ticket(frame(seq)), complete=True) for seq in (101, 102)]
    asked.going.set()
    assert [asked.replies[seq].result(10).as_of for seq in (1, 2)] == [1, 2]
    assert all(each.completed.done() for each in pending)
    assert asked.stage.asked == [100, 101, 102, 1, 2]
    assert asked.stage.learnt == []
    asked.worker.stop(10)


def test_what_is_asked_again_has_an_answer_whatever_happens():
    asked = Asked()
    asked.holds()
    for seq in range(MOST_BACK + 1):
        asked.back(seq)
    assert "nobody has time" in asked.replies[MOST_BACK].result(0).reason
    asked.worker.stop(0)
    asked.going.set()
    assert all(reply.result(10).how is How.FAILED for reply in list(asked.replies.values())[1:])
    asked.back(200)
    assert asked.replies[200].result(0).how is How.FAILED


def test_a_look_again_that_raises_costs_that_look():
    asked = Asked()
    asked.going.set()
    asked.stage.says = lambda of: 1 / 0 if of.seq == 1 else answer("big", 0, as_of=of.seq)
    asked.back(1)
    asked.back(2)
    assert "ZeroDivisionError" in asked.replies[1].result(10).reason
    assert asked.replies[2].result(10).how is How.MEASURED
    asked.worker.stop(10)
