"""How a live stream is said to fare, from what its source and its ledger say."""

import pytest

from tests.builders import answer
from vidpipe.core.answer import How
from vidpipe.results.ledger import StreamLedger
from vidpipe.results.records import Covered, Result
from vidpipe.results.status import StatusMonitor
from vidpipe.sources.health import Health, State
from vidpipe.testing.clock import HandClock


def record(how, reason="", covered=None, by="big"):
    return Result("cam", 0, 0.0, None, 0.0, 0, answer(by, how=how, reason=reason), None, covered)


def followed(*seconds):
    """A stream of ten frames a second, of which each second some are dropped, covered or answered; and its clock."""
    ledger, clock = StreamLedger(), HandClock()
    monitor = StatusMonitor(ledger, clock)
    received = 0
    for records in [*seconds, ()]:
        monitor.look(Health(State.LIVE, last_frame_at=1.0, received=received, decoded=received, bytes=1000 * received))
        for each in records:
            ledger.count(each)
        if records:
            clock.turn(1.0)
            received += 10
    return monitor, clock


ANSWERED = [record(How.MEASURED)] * 10
LATE = [record(How.REUSED, "late", "late")] * 10
HALF = [record(How.MEASURED)] * 5 + [record(How.DROPPED, "overloaded", Covered.OVERLOADED)] * 5
FULL = [record(How.MEASURED)] * 5 + [record(How.DROPPED, "overloaded", by="source")] * 5
COVERED = [record(How.MEASURED)] * 5 + [record(How.TRACKED, "overloaded", Covered.OVERLOADED, by="track")] * 5
DAMAGED = [record(How.MEASURED)] * 5 + [record(How.DROPPED, "damaged", by="source")] * 5


@pytest.mark.parametrize(
    ("seconds", "state", "rates"),
    [
        ([ANSWERED] * 3, State.LIVE, (10, 10, 10, 10)),
        ([LATE] * 3, State.LIVE, (10, 10, 10, 10)),
        ([HALF] * 3, State.OVERLOADED, (10, 10, 10, 5)),
        ([FULL] * 3, State.OVERLOADED, (10, 10, 5, 5)),
        ([COVERED] * 3, State.OVERLOADED, (10, 10, 10, 5)),
        ([DAMAGED] * 3, State.LIVE, (10, 10, 5, 5)),
        ([HALF] * 3 + [ANSWERED] * 7, State.LIVE, (10, 10, 10, 10)),
    ],
)
def test_overload_is_told_from_trouble_with_the_camera(seconds, state, rates):
    monitor, _ = followed(*seconds)
    status = monitor.status()
    assert status.health.state is state
    assert status.rates[:4] == pytest.approx(rates)
    assert status.rates.kbit_s == pytest.approx(80)


def test_what_the_source_says_of_trouble_stands():
    monitor, clock = followed(HALF, HALF)
    clock.turn(1.0)
    monitor.look(Health(State.BACKING_OFF, "refused; next try in 3.0 s", received=20))
    assert monitor.status().health.state is State.BACKING_OFF


def test_a_process_that_is_gone_is_a_stall():
    monitor, clock = followed(ANSWERED, ANSWERED)
    clock.turn(3.0)
    assert monitor.status().health.state is State.LIVE
    clock.turn(25.0)
    assert monitor.status().health.state is State.STALLED


def test_reconnects_count_for_an_hour():
    clock = HandClock()
    monitor = StatusMonitor(StreamLedger(), clock)
    for after, reconnects in ((0, 0), (10, 1), (10, 3), (3580, 3)):
        clock.turn(after)
        monitor.look(Health(State.LIVE, reconnects=reconnects, stalls=reconnects))
    assert monitor.status().reconnects_h == 3
    monitor.begin_anew()
    clock.turn(15)
    monitor.look(Health(State.LIVE, reconnects=1))
    assert monitor.status().reconnects_h == 3
    assert monitor.status().stalls_h == 2


def test_what_was_counted_outlives_the_process_that_counted():
    clock = HandClock()
    monitor = StatusMonitor(StreamLedger(), clock)
    monitor.look(Health(State.LIVE, received=100, decoded=90, bytes=5000, reconnects=2, stalls=1, gap_s=1.5))
    monitor.begin_anew()
    clock.turn(10)
    monitor.look(Health(State.LIVE, received=150, decoded=130, bytes=7000, reconnects=1))
    report = monitor.report()
    counts = {name: report[name] for name in ("received", "decoded", "reconnects", "stalls", "out_of_sight_s")}
    assert counts == {"received": 250, "decoded": 220, "reconnects": 3, "stalls": 1, "out_of_sight_s": 1.5}
    assert report["fps"]["received"] == 15
    monitor.end(Health(State.LIVE, received=160))
    assert monitor.report()["received"] == 260


def test_a_frame_ages_by_the_clock():
    clock = HandClock()
    monitor = StatusMonitor(StreamLedger(), clock)
    monitor.look(Health(State.LIVE, last_frame_at=clock.utc()))
    clock.turn(7)
    assert monitor.status().age_s == pytest.approx(7)


def test_overload_of_late_does_not_hide_behind_another_kind_of_before():
    """A hundred refused frames of the first minute covered up as many dropped ones of the second."""
    ledger = StreamLedger()
    ledger.refused = 100
    clock = HandClock()
    monitor = StatusMonitor(ledger, clock)
    monitor.look(Health(State.LIVE, last_frame_at=1.0, received=1000))
    for each in HALF:
        ledger.count(each)
    clock.turn(1)
    monitor.look(Health(State.LIVE, last_frame_at=1.0, received=1010))
    assert monitor.status().health.state is State.OVERLOADED


def test_a_stream_is_degraded_while_what_it_passes_on_is_not_answered():
    monitor, clock = followed(ANSWERED)
    for _ in range(12):
        monitor.note(answered=False)
        clock.turn(0.5)
    monitor.look(Health(State.LIVE))
    status = monitor.status()
    assert (status.health.state, status.health.detail) == (
        State.DEGRADED,
        "no answer to what was passed on for 6 s",
    )
    monitor.note(answered=True)
    assert monitor.status().health.state is State.LIVE


def test_one_picture_that_gave_way_to_a_newer_one_degrades_nothing():
    """Nothing more is passed on: the scene is empty."""
    monitor, clock = followed(ANSWERED)
    for _ in range(2):
        monitor.note(answered=False)
        for _ in range(20):
            clock.turn(1.0)
            monitor.look(Health(State.LIVE))
            assert monitor.status().health.state is State.LIVE


def test_a_stream_is_degraded_while_a_part_of_the_pipeline_is_away():
    monitor, clock = followed(ANSWERED)
    monitor.away = {"edge": clock.monotonic() - 12}
    status = monitor.status()
    assert (status.health.state, status.health.detail) == (State.DEGRADED, "edge away for 12 s")


def test_trouble_of_the_camera_comes_before_that_of_the_pipeline():
    monitor, clock = followed(ANSWERED)
    monitor.away = {"edge": clock.monotonic()}
    monitor.look(Health(State.STALLED, "nothing has come for 4 s"))
    assert monitor.status().health.state is State.STALLED
