"""A stream's thread, by itself."""

from __future__ import annotations

import threading
import time

from tests.builders import NO_AUDITS
from vidpipe.cascade import Cascade
from vidpipe.engine.head import Head, Parts
from vidpipe.engine.records import Outbox
from vidpipe.sources.base import StreamInfo


class Waiting:
    """A camera that gives nothing until it is closed."""

    info = StreamInfo("cam", 64, 48, 25.0, None, live=True)
    notes = ()
    broken_off = ""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        self.closed.wait(30)
        return
        yield

    def close(self):
        self.closed.set()


def test_stopping_wakes_a_thread_that_waits_for_a_picture():
    """A camera that has stalled must not hold up the end of a run."""
    source = Waiting()
    head = Head(
        "cam",
        lambda: Parts(source, Cascade([], NO_AUDITS, last="big")),
        None,
        Outbox(),
        ahead=0,
        settle_later=False,
    )
    head.open().result()
    head.start()
    began = time.monotonic()
    head.stop()
    assert head.join(10)
    assert time.monotonic() - began < 5
