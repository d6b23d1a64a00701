"""A clock that is turned by hand."""

from __future__ import annotations

import threading

from vidpipe.testing.clock import HandClock


def test_who_waits_wakes_when_the_time_has_come_and_not_before():
    clock, condition, woke = HandClock(), threading.Condition(), []

    def wait(seconds):
        with condition:
            clock.wait_for(condition, lambda: False, seconds)
            woke.append(seconds)

    threads = [threading.Thread(target=wait, args=(seconds,)) for seconds in (1.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:  # one may begin to wait only behind a turning
        while thread.is_alive():
            clock.turn(0.5)
            thread.join(0.02)
    assert woke == [1.0, 3.0]


def test_a_predicate_ends_the_wait_without_time():
    clock, condition, ready = HandClock(), threading.Condition(), []

    def come():
        with condition:
            ready.append(1)
            condition.notify_all()

    thread = threading.Thread(target=come)
    with condition:
        thread.start()
        assert clock.wait_for(condition, lambda: ready, 5.0)
    thread.join()
    assert clock.monotonic() == 0


def test_the_time_of_day_may_be_set_without_time_passing():
    clock = HandClock(utc=1000.0)
    clock.turn(5.0)
    assert clock.utc() == 1005.0
    clock.set_utc(4605.0)
    assert clock.utc() == 4605.0
    assert clock.monotonic() == 5.0
