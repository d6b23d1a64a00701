"""How a live stream is said to fare, from what its source and its ledger say."""

import pytest

from tests.builders import answer
from vidpipe.core.answer import How
from vidpipe.results.ledger import StreamLedger
from vidpipe.results.records import Covered, Result
from vidpipe.results.status import StatusMonitor
from vidpipe.sources.health import Health, State


def record(how, reason="", covered=None, by="big"):
    return Result("cam", 0, 0.0, None, 0.0, 0, answer(by, how=how, reason=reason), None, covered)


def followed(*seconds):
    """A stream of ten frames a second, of which each second some are dropped, covered or answered."""
    ledger = StreamLedger()
    monitor = StatusMonitor(ledger)
    received = 0
    for second, records in enumerate(seconds):
        monitor.look(
            Health(State.LIVE, last_frame_at=1.0, received=received, decoded=received, bytes=1000 * received), second
        )
        for each in records:
            ledger.count(each)
        received += 10
    monitor.look(
        Health(State.LIVE, last_frame_at=1.0, received=received, decoded=received, bytes=1000 * received), len(seconds)
    )
    return monitor


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
    status = followed(*seconds).status(len(seconds))
    assert status.health.state is state
    assert status.rates[:4] == pytest.approx(rates)
    assert status.rates.kbit_s == pytest.approx(80)


def test_what_the_source_says_of_trouble_stands():
    monitor = followed(HALF, HALF)
    monitor.look(Health(State.BACKING_OFF, "refused; next try in 3.0 s", received=20), 3)
    assert monitor.status(3).health.state is State.BACKING_OFF


def test_a_process_that_is_gone_is_a_stall():
    monitor = followed(ANSWERED, ANSWERED)
    assert monitor.status(5).health.state is State.LIVE
    assert monitor.status(30).health.state is State.STALLED


def test_reconnects_count_for_an_hour():
    monitor = StatusMonitor(StreamLedger())
    for at, reconnects in ((0, 0), (10, 1), (20, 3), (3600, 3)):
        monitor.look(Health(State.LIVE, reconnects=reconnects, stalls=reconnects), at)
    assert monitor.status(3600).reconnects_h == 3
    monitor.begin_anew()
    monitor.look(Health(State.LIVE, reconnects=1), 3615)
    assert monitor.status(3615).reconnects_h == 3
    assert monitor.status(3615).stalls_h == 2


def test_what_was_counted_outlives_the_process_that_counted():
    monitor = StatusMonitor(StreamLedger())
    monitor.look(Health(State.LIVE, received=100, decoded=90, bytes=5000, reconnects=2, stalls=1, gap_s=1.5), 10)
    monitor.begin_anew()
    monitor.look(Health(State.LIVE, received=150, decoded=130, bytes=7000, reconnects=1), 20)
    report = monitor.report(20)
    counts = {name: report[name] for name in ("received", "decoded", "reconnects", "stalls", "out_of_sight_s")}
    assert counts == {"received": 250, "decoded": 220, "reconnects": 3, "stalls": 1, "out_of_sight_s": 1.5}
    assert report["fps"]["received"] == 15
    monitor.end(Health(State.LIVE, received=160), 21)
    assert monitor.report(21)["received"] == 260


def test_overload_of_late_does_not_hide_behind_another_kind_of_before():
    """A hundred refused frames of the first minute covered up as many dropped ones of the second."""
    ledger = StreamLedger()
    ledger.refused = 100
    monitor = StatusMonitor(ledger)
    monitor.look(Health(State.LIVE, last_frame_at=1.0, received=1000), 100)
    for each in HALF:
        ledger.count(each)
    monitor.look(Health(State.LIVE, last_frame_at=1.0, received=1010), 101)
    assert monitor.status(101).health.state is State.OVERLOADED
