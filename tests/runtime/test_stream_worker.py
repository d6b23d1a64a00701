"""A stream's thread, by itself."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from tests.builders import NO_AUDITS
from vidpipe.cascade.cascade import Cascade
from vidpipe.core.errors import RunError
from vidpipe.results.outbox import Outbox
from vidpipe.runtime.streams.ordering import InOrder
from vidpipe.runtime.streams.parts import Parts
from vidpipe.runtime.streams.stream_worker import StreamWorker
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
    worker = StreamWorker(
        "cam",
        lambda: Parts(source, Cascade([], NO_AUDITS, last="big")),
        None,
        Outbox(),
        ordering=InOrder(),
    )
    worker.open().result()
    worker.start()
    began = time.monotonic()
    worker.stop()
    assert worker.join(10)
    assert time.monotonic() - began < 5


def head_of(make):
    outbox = Outbox()
    return StreamWorker("cam", make, None, outbox, ordering=InOrder()), outbox


@pytest.mark.parametrize("error", [SystemExit("enough"), KeyboardInterrupt(), OSError("gone")])
def test_whatever_a_source_raises_the_stream_is_told_of_as_ended(error):
    """A thread that died of SystemExit said nothing, and the run waited for the stream for ever."""

    class Breaks(Waiting):
        def __iter__(self):
            raise error
            yield

    worker, outbox = head_of(lambda: Parts(Breaks(), Cascade([], NO_AUDITS, last="big")))
    worker.open().result(10)
    worker.start()
    (ended,) = outbox.take(10).ended
    assert isinstance(ended.error, RunError)
    assert str(ended.error).startswith(type(error).__name__)


def test_what_ends_a_process_does_not_end_the_one_who_waits_for_a_stream():
    worker, _ = head_of(lambda: sys.exit(3))
    with pytest.raises(RunError, match=r"^SystemExit: 3$"):
        worker.open().result(10)
