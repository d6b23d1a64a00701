"""A stream's thread, by itself."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from tests.builders import NO_AUDITS
from vidpipe.cascade import Cascade
from vidpipe.engine.head import Head, Parts
from vidpipe.engine.records import Outbox
from vidpipe.errors import RunError
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


def head_of(make):
    outbox = Outbox()
    return Head("cam", make, None, outbox, ahead=0, settle_later=False), outbox


@pytest.mark.parametrize("error", [SystemExit("enough"), KeyboardInterrupt(), OSError("gone")])
def test_whatever_a_source_raises_the_stream_is_told_of_as_ended(error):
    """A thread that died of SystemExit said nothing, and the run waited for the stream for ever."""

    class Breaks(Waiting):
        def __iter__(self):
            raise error
            yield

    head, outbox = head_of(lambda: Parts(Breaks(), Cascade([], NO_AUDITS, last="big")))
    head.open().result(10)
    head.start()
    (ended,) = outbox.take(10).ended
    assert isinstance(ended.error, RunError)
    assert str(ended.error).startswith(type(error).__name__)


def test_what_ends_a_process_does_not_end_the_one_who_waits_for_a_stream():
    head, _ = head_of(lambda: sys.exit(3))
    with pytest.raises(RunError, match=r"^SystemExit: 3$"):
        head.open().result(10)
