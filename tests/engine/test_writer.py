"""Sinks in a thread of their own. What must hold:

- answers reach the sinks in order, and all of them before the end;
- one that blocks holds up nobody, is told of, and what it did not take is said.
"""

import threading
import time

import pytest

from tests.builders import answer
from vidpipe.engine import writer as module
from vidpipe.engine.records import Published
from vidpipe.engine.writer import Writer
from vidpipe.errors import RunError


def record(seq):
    return Published("cam", seq, 0.0, None, 0.0, 0, answer("big"))


def put_until_it_raises(writer):
    began = time.monotonic()
    while time.monotonic() - began < 10:
        writer.write([record(0)], 0.0)


class Kept:
    """A sink that waits until it may take something, and may raise then."""

    def __init__(self, error=None):
        self.may = threading.Event()
        self.taken = []
        self.closed = False
        self.error = error

    def __str__(self):
        return "results over there"

    def write(self, records, published_at):
        self.may.wait()
        if self.error:
            raise self.error
        self.taken += [each.seq for each in records]

    def close(self):
        self.closed = True


def test_all_is_written_in_order():
    sink = Kept()
    sink.may.set()
    writer = Writer([sink])
    for seq in range(100):
        writer.write([record(seq)], 0.0)
    writer.close()
    assert sink.taken == list(range(100))
    assert sink.closed


def test_one_that_blocks_holds_up_nobody(monkeypatch, caplog):
    monkeypatch.setattr(module, "LIMIT", 5)
    monkeypatch.setattr(module, "BLOCKED_S", 0.05)
    sink = Kept()
    writer = Writer([sink])
    began = time.monotonic()
    for seq in range(10):
        writer.write([record(seq)], 0.0)
    assert writer.is_full
    while "results over there has taken nothing" not in caplog.text:
        writer.watch()
        assert time.monotonic() - began < 10
    with pytest.raises(RunError, match="results over there takes nothing: 10 answers were not written"):
        writer.close(0.1)
    assert time.monotonic() - began < 10
    sink.may.set()


def test_what_was_left_out_is_said_also_if_the_rest_was_written(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 5)
    sink = Kept()
    writer = Writer([sink])
    for seq in range(10):
        writer.write([record(seq)], 0.0)
    sink.may.set()
    with pytest.raises(RunError, match="5 answers were not written: results over there was too slow"):
        writer.close()
    assert sink.taken == [0, 1, 2, 3, 4]


def test_what_a_sink_raises_comes_with_the_next_answers():
    sink = Kept(RunError("disk full"))
    sink.may.set()
    writer = Writer([sink])
    with pytest.raises(RunError, match="disk full"):
        put_until_it_raises(writer)
    with pytest.raises(RunError, match="disk full"):
        writer.close()
    assert sink.closed
