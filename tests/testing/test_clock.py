"""A clock that is turned by hand."""

from __future__ import annotations

import threading

import pytest

from vidpipe.core.clock import Clock
from vidpipe.testing.clock import HandClock


def waiting(clock, woke, seconds):
    """A thread that waits for the clock, from now on."""
    condition, until = threading.Condition(), clock.monotonic() + seconds

    def wait():
        with condition:
            clock.wait_for(condition, lambda: False, until)
            woke.append(seconds)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_who_waits_wakes_when_the_time_has_come_and_not_before():
    """However late it begins to wait: one turn is enough."""
    clock, woke = HandClock(), []
    soon, later = waiting(clock, woke, 1.0), waiting(clock, woke, 3.0)
    clock.turn(1.0)
    soon.join(10)
    assert woke == [1.0]
    clock.turn(1.9)
    assert later.is_alive()
    clock.turn(0.1)
    later.join(10)
    assert woke == [1.0, 3.0]


@pytest.mark.parametrize("step", [0.1, 0.04, 1 / 3, 1 / 30])
def test_rounding_keeps_no_time_from_coming(step):
    clock = HandClock()
    began = clock.monotonic()
    for count in range(1, 1000):
        clock.turn(step)
        assert began + count * step <= clock.monotonic() < began + count * step + 1e-5


@pytest.mark.parametrize("clock", [Clock(), HandClock()], ids=repr)
def test_a_predicate_ends_the_wait_without_time(clock):
    condition, ready = threading.Condition(), []

    def come():
        with condition:
            ready.append(1)
            condition.notify_all()

    for until in (clock.monotonic() + 1000, float("inf")):
        ready.clear()
        thread = threading.Thread(target=come)
        with condition:
            thread.start()
            assert clock.wait_for(condition, lambda: ready, until)
        thread.join()


@pytest.mark.parametrize("clock", [Clock(), HandClock()], ids=repr)
def test_a_time_that_has_come_is_not_waited_for(clock):
    condition = threading.Condition()
    with condition:
        assert not clock.wait_for(condition, lambda: False, clock.monotonic() - 1)
        assert clock.wait_for(condition, lambda: True, clock.monotonic() - 1)


def test_the_time_of_day_may_be_set_without_time_passing():
    clock = HandClock(utc=1000.0)
    began, offset = clock.monotonic(), clock.offset()
    clock.turn(5.0)
    assert clock.utc() == pytest.approx(1005.0)
    assert clock.offset() == pytest.approx(offset)
    clock.set_utc(4605.0)
    assert clock.utc() == pytest.approx(4605.0)
    assert clock.offset() == pytest.approx(offset + 3600)
    assert clock.monotonic() - began == pytest.approx(5.0)
