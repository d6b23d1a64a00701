"""Times of capture, on hand that tests move. What must hold:

- intervals are those of the stamps, however unevenly packets arrive;
- nothing was taken after it came;
- a step of the system's clock moves labels and nothing else; stamps that jump begin anew.
"""

from fractions import Fraction

import numpy as np
import pytest

from vidpipe.sources.clock import CaptureClock
from vidpipe.testing.clock import HandClock

TICK = Fraction(1, 90_000)
PERIOD = 9000  # ticks: ten pictures a second


def at_50():
    """A clock that has been turned to 50, when it was 1,000,000 UTC."""
    clock = HandClock()
    clock.turn(50.0 - clock.monotonic())
    clock.set_utc(1_000_000.0)
    return clock


@pytest.fixture
def hand():
    return at_50()


def played(clock, count, *, start=0, began=50.0, delay=lambda i: 0.0, rate=1.0, sender=lambda i: None):
    """Pictures at ten a second of the camera's clock, which is `rate` times as fast as ours."""
    return [clock.at(start + i * PERIOD, began + i / 10 / rate + delay(i), sender(i)) for i in range(count)]


def test_intervals_are_those_of_the_stamps_once_the_soonest_has_come(hand):
    jitter = np.random.default_rng(0).uniform(0, 0.3, 500)
    jitter[20] = 0
    came = played(CaptureClock(TICK, 0.1, hand), 250, delay=lambda i: jitter[i])
    for i, moment in enumerate(came):
        assert not moment.jumped
        assert moment.at <= 50 + i / 10 + jitter[i]
        if i >= 20:
            assert moment.at == pytest.approx(50 + i / 10, abs=1e-6)


@pytest.mark.parametrize("rate", [1 + 1e-4, 1 - 1e-4])
def test_two_quartzes_that_drift_apart_stay_together(hand, rate):
    """A day at ten seconds of drift; without correction the last would be off by that."""
    clock = CaptureClock(TICK, 0.1, hand)
    last = 0.0
    for i in range(0, 864_000, 5):
        arrived = 50 + i / 10 / rate
        last = arrived - clock.at(i * PERIOD, arrived).at
    assert 0 <= last < 0.05


def test_a_sender_that_tells_the_time_is_believed_if_its_clock_is_near_ours(hand):
    near = CaptureClock(TICK, 0.1, hand)
    came = played(near, 10, delay=lambda i: 0.4, sender=lambda i: 1_000_000 + i / 10 if i >= 5 else None)
    assert [round(moment.at, 3) for moment in came[5:]] == [50.5, 50.6, 50.7, 50.8, 50.9]
    assert near.sender_offset_s == pytest.approx(0.4)
    wrong = CaptureClock(TICK, 0.1, hand)
    came = played(wrong, 10, delay=lambda i: 0.4, sender=lambda i: 0.0 + i / 10)
    assert came[5].at == pytest.approx(50.9)
    assert wrong.sender_offset_s == pytest.approx(1_000_000.4)


# The places in which an encoder with B-frames has the pictures shown that it sends one after the other.
SHOWN = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]


@pytest.mark.parametrize("tells_from", [0, 25, 100])
@pytest.mark.parametrize("ahead_s", [0.0, 0.3], ids=["stamps of capture", "stamps ahead of capture"])
def test_pictures_that_are_sent_before_their_turn_keep_the_intervals_of_their_stamps(hand, tells_from, ahead_s):
    """Each is asked for its time when its turn to be shown comes, two pictures later at most."""
    clock = CaptureClock(TICK, 0.1, hand)
    moments, arrived, at = {}, {}, []
    for place in range(100):
        shown = 10 * (place // 10) + SHOWN[place % 10]
        arrived[shown] = 50.2 + place / 10
        sender = 1_000_000 + shown / 10 + ahead_s if place >= tells_from else None
        moments[shown] = clock.at(shown * PERIOD, arrived[shown], sender)
        if place >= 2:
            at.append(moments[place - 2].at)
    assert np.diff(at) == pytest.approx(0.1)
    assert all(taken <= arrived[shown] + 1e-9 for shown, taken in enumerate(at))


def test_what_is_known_of_the_delay_is_taken_off(hand):
    assert played(CaptureClock(TICK, 0.1, hand, known_s=0.1), 3)[2].at == pytest.approx(50.1)


@pytest.mark.parametrize("to", [0, 10**9, -(10**9)])
def test_stamps_that_jump_begin_anew_once(hand, to):
    clock = CaptureClock(TICK, 0.1, hand)
    played(clock, 50, start=10**8)
    came = played(clock, 50, start=10**8 + to + (PERIOD * 50 if not to else 0), began=55.0)
    assert [moment.jumped for moment in came] == [bool(to)] + [False] * 49
    assert came[-1].at == pytest.approx(59.9)


def test_pictures_without_stamps_follow_each_other(hand):
    clock = CaptureClock(TICK, 0.1, hand)
    clock.at(0, 50.0)
    assert clock.at(None, 50.2).at == pytest.approx(50.1)


def test_a_connection_that_hesitated_is_no_jump(hand):
    """Three seconds of silence, then all that was held up at once."""
    clock = CaptureClock(TICK, 0.1, hand)
    played(clock, 20)
    came = [clock.at(i * PERIOD, max(50 + i / 10, 55.0)) for i in range(20, 60)]
    assert not any(moment.jumped for moment in came)
    assert came[-1].at == pytest.approx(55.9)


def test_a_camera_whose_stamps_stood_still_while_it_paused_is_on_time_again_soon(hand):
    clock = CaptureClock(TICK, 0.1, hand)
    played(clock, 20)
    came = played(clock, 700, start=20 * PERIOD, began=56.0)
    assert came[-1].at == pytest.approx(56 + 69.9)


def test_a_camera_that_paused_is_no_jump(hand):
    clock = CaptureClock(TICK, 0.1, hand)
    played(clock, 20)
    moment = clock.at(20 * PERIOD + 90_000 * 4, 56.0)
    assert (round(moment.at, 6), moment.jumped) == (56.0, False)


def test_a_step_of_the_systems_clock_moves_labels_only(hand):
    clock = CaptureClock(TICK, 0.1, hand)
    before = played(clock, 10)
    assert before[-1].at + hand.offset() == pytest.approx(1_000_000.9)
    hand.set_utc(hand.utc() + 3600)
    after = clock.at(10 * PERIOD, 51.0)
    assert after.at - before[-1].at == pytest.approx(0.1)
    assert not after.jumped
    assert after.at + hand.offset() == pytest.approx(1_003_601)
