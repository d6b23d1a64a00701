"""Frames that come onto a link on which recordings and live streams are together. What must hold:

- a live frame that tries an actor that is back waits while it is asked again what it had held of recordings;
- the time for which a recording waits for credit is not counted as that of its crossing.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from tests.builders import frame
from tests.runtime import linked, local
from tests.runtime.linked import Measures, Passes, pipeline
from tests.waiting import until
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import How
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.links import entrance, job, jobs, link
from vidpipe.runtime.ray.actors import SegmentActor
from vidpipe.runtime.ray.peer import link_to
from vidpipe.testing.clock import HandClock


@pytest.fixture(autouse=True)
def _nothing_happens():
    yield
    linked.on_frame.clear()


def linked_up(spec=None):
    links = {} if spec is None else {"device-edge": spec}
    laid = plan(
        pipeline({"tape": "x.mp4", "cam": "y.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)], links=links)
    )
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    return actor, link_to(actor, laid.links[0], {"cam": 1.0})


def asks(up, seq, stream):
    return up.ask(Ticket(frame(seq, stream=stream)), complete=True)


def test_a_frame_that_tries_an_actor_that_is_back_waits_for_what_recordings_had_lost():
    actor, up = linked_up()
    assert asks(up, 0, "cam").completed.result(30).answer.how is How.MEASURED
    arrived, again, goes_on = threading.Event(), threading.Event(), threading.Event()

    def holds():
        (again if arrived.is_set() else arrived).set()
        goes_on.wait(30)

    linked.on_frame["tape", 1] = holds
    held = asks(up, 1, "tape")
    assert arrived.wait(30)
    actor.kill(stays_away=True)
    until(lambda: up.absent, 30)
    actor.come_back()
    assert again.wait(30)  # the recording's frame is with the new instance, and the link is not through with it
    assert not up.absent
    tried = asks(up, 2, "cam")
    other = asks(up, 3, "cam")
    assert other.completed.result(1).away is not None  # one at a time
    assert not tried.completed.done()
    goes_on.set()
    assert held.completed.result(30).answer.how is How.MEASURED
    assert tried.completed.result(30).answer.how is How.MEASURED


def test_a_recordings_wait_for_credit_is_no_time_of_crossing(monkeypatch):
    """Else a link that adapts would take itself for slow, and make live pictures worse for it."""
    clock = HandClock()
    for module in (link, entrance, job, jobs):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    _, up = linked_up(LinkSpec(codec="jpeg", credit_frames=1, adapt=True))
    wants = threading.Event()
    fits = up._room.fits  # noqa: SLF001
    arrived, goes_on = threading.Event(), threading.Event()
    linked.on_frame["tape", 0] = lambda: arrived.set() or goes_on.wait(30)
    first = asks(up, 0, "tape")
    assert arrived.wait(30)
    monkeypatch.setattr(up._room, "fits", lambda nbytes: wants.set() or fits(nbytes))  # noqa: SLF001
    answers = []
    waits = threading.Thread(target=lambda: answers.append(asks(up, 1, "tape").completed.result(30).answer))
    waits.start()
    assert wants.wait(30)
    clock.turn(60)
    assert up.counts()["device-edge"].now.waiting == 1  # the first, which has still to be told of
    goes_on.set()
    waits.join(30)
    assert first.completed.result(0).answer.how is answers[0].how is How.MEASURED
    assert up.counts()["device-edge"].crossing_s < 90  # 60 s of the first
