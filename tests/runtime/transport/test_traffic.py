"""What is measured of a link: its rate, how long frames take to cross, how old the oldest one is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.pipeline.spec import ShaperSpec
from vidpipe.results.carried import Carried, LinkNow
from vidpipe.runtime.transport.emulator import LinkEmulator
from vidpipe.runtime.transport.traffic import Traffic


@settings(deadline=None)
@given(
    rate=st.floats(1e4, 1e8),
    messages=st.lists(st.tuples(st.floats(0, 2), st.integers(1000, 10**6), st.floats(0, 3)), min_size=3, max_size=30),
)
def test_the_rate_is_the_links_however_full_it_is_and_however_long_calls_are_held(rate, messages):
    traffic, emulator, now_s = Traffic(), LinkEmulator(ShaperSpec(rate_mbps=rate * 8e-6)), 0.0
    for gap_s, nbytes, held_s in messages:
        now_s += gap_s
        sent = traffic.send(1, nbytes, now_s)
        arrived_s = emulator.arrival_s(now_s, nbytes)
        traffic.arrive(sent, [], held_s, arrived_s + held_s)
        assert traffic.rate(arrived_s + held_s) == pytest.approx(rate, rel=1e-3, abs=1)
    carried = traffic.carried(now_s, "")
    assert carried.bytes * 8e-6 / carried.busy_s == pytest.approx(rate * 8e-6, rel=1e-3)
    assert carried.frames == len(messages)


def test_nothing_is_known_before_anything_has_crossed():
    traffic = Traffic()
    assert traffic.rate(5.0) is None
    traffic.send(1, 1000, 5.0)
    assert traffic.rate(5.0) is None


def test_what_does_not_arrive_says_that_the_link_is_slower_by_now():
    traffic = Traffic()
    traffic.arrive(traffic.send(1, 1000, 0.0), [], 0.0, 0.01)
    traffic.send(1, 1000, 1.0)
    assert traffic.rate(1.01) == pytest.approx(1e5)
    assert traffic.rate(2.0) == pytest.approx(1e3)
    assert traffic.rate(11.0) == pytest.approx(1e2)


def test_a_rate_that_changes_is_followed_within_a_few_messages():
    traffic = Traffic()
    for second in range(10):
        traffic.arrive(traffic.send(1, 10_000, second), [], 0.0, second + 0.01)
    for second in range(10, 15):
        traffic.arrive(traffic.send(1, 10_000, second), [], 0.0, second + 0.1)
    assert traffic.rate(15.0) == pytest.approx(1e5, rel=0.2)


def test_the_oldest_frame_counts_until_it_arrives_or_is_forgotten():
    traffic = Traffic()
    traffic.ask("a", 1.0)
    traffic.ask("b", 2.0)
    traffic.ask("a", 3.0)  # again: it waits since it came
    assert traffic.age_s(4.0) == 3.0
    traffic.arrive(traffic.send(1, 100, 3.0), ["a"], 0.0, 4.0)
    assert traffic.age_s(4.0) == 2.0
    traffic.forget("b")
    assert traffic.age_s(9.0) == 0.0
    carried = traffic.carried(9.0, "raw")
    assert (carried.crossed, carried.crossing_s, carried.longest_s) == (1, 3.0, 3.0)
    assert carried.now.waiting == 0


def test_time_for_which_a_call_was_held_is_no_matter_of_the_link():
    traffic = Traffic()
    traffic.ask("a", 0.0)
    traffic.arrive(traffic.send(1, 1000, 0.0), ["a"], 5.0, 5.1)
    carried = traffic.carried(5.1, "raw")
    assert carried.crossing_s == pytest.approx(0.1)
    assert carried.busy_s == pytest.approx(0.1)
    assert traffic.call_s == pytest.approx(5.1)


def test_what_was_given_up_before_its_call_returned_has_not_crossed():
    traffic = Traffic()
    traffic.ask("a", 0.0)
    traffic.forget("a")
    traffic.arrive(traffic.send(1, 1000, 0.0), ["a"], 0.0, 30.0)
    assert traffic.carried(30.0, "raw").crossed == 0


def test_a_message_that_is_lost_is_under_way_no_more():
    traffic = Traffic()
    traffic.arrive(traffic.send(1, 1000, 0.0), [], 0.0, 0.1)
    sent = traffic.send(1, 1000, 1.0)
    traffic.lose(sent)
    assert traffic.rate(100.0) == pytest.approx(1e4)
    traffic.arrive(sent, [], 0.0, 100.0)  # it comes after all, and says nothing any more
    assert traffic.rate(100.0) == pytest.approx(1e4)


def test_counts_of_several_processes_add_up():
    one = Carried(2, 100, 1.0, 2, 0.5, 0.4, {"jpeg 85": 2}, LinkNow(1.0, 3, 0.5, "jpeg 85"))
    other = Carried(1, 50, 0.5, 1, 0.1, 0.1, {"jpeg 50": 1}, LinkNow(2.0, 1, 0.7, "jpeg 50"))
    total = one + other
    assert (total.frames, total.bytes, total.busy_s, total.crossed, total.longest_s) == (3, 150, 1.5, 3, 0.4)
    assert total.settings == {"jpeg 85": 2, "jpeg 50": 1}
    assert total.now == LinkNow(3.0, 4, 0.7, "jpeg 50")
    assert (one + Carried(1, 50)).now == one.now
    assert total.report() == {
        "frames": 3,
        "bytes": 150,
        "mbps": 0.001,
        "crossing_ms": 200.0,
        "longest_ms": 400.0,
        "settings": {"jpeg 85": 2, "jpeg 50": 1},
    }
    assert Carried(1, 50).report() == {"frames": 1, "bytes": 50}
