"""When a run is taken to be steady, and what is counted of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.bench.cost.course import ALIKE, LEAST_S, Course, Sample, part, steady_from
from vidpipe.results.collector import Collector
from vidpipe.results.records import Counts

FPS = 10


def samples(looks, *, look_ms=50.0):
    """A second each, in which the big model was asked about so many frames."""
    done = [Sample(0.0, 0, 0, 0.0, {}, {}, {})]
    for second, count in enumerate(looks, 1):
        asked = done[-1].asked.get("big", 0) + count
        frames, stage_ms = FPS * second, asked * look_ms
        cpu_s = (stage_ms + 2 * frames) / 1000
        done.append(Sample(second, frames, frames, cpu_s, {"big": asked}, {"gate": asked // 2}, {"big": stage_ms}))
    return done


def test_a_part_is_what_was_done_between_two_samples():
    done = samples([10, 10, 2, 4])
    found = part(done[2], done[4])
    assert found.asked == {"big": 0.3}
    assert found.audited == {"gate": 0.15}
    assert found.cpu_ms == pytest.approx(0.3 * 50 + 2)
    assert found.other_ms == pytest.approx(2)
    assert found.stage_ms == {"big": pytest.approx(50)}


def test_while_looks_get_fewer_a_run_is_not_steady():
    assert steady_from(samples(range(24, 0, -1))) is None


def test_once_they_stay_it_is_from_its_half_on():
    done = samples([10] * 10 + [2] * 20)
    assert done[steady_from(done)].video_s == 15


def test_a_short_run_is_not_steady_however_even():
    assert steady_from(samples([2] * (int(LEAST_S) - 1))) is None
    assert steady_from(samples([2] * int(LEAST_S))) is not None


@given(st.lists(st.integers(0, 10), min_size=12, max_size=80))
def test_the_halves_of_a_steady_part_took_the_same(looks):
    """Whatever others took of the machine: the work is that of the frames that were asked."""
    done = samples(looks)
    begin = steady_from(done)
    dear = steady_from(samples(looks, look_ms=500.0))
    assert begin == dear
    if begin is not None:
        middle = round(0.75 * len(looks) - 0.499)
        a, b = part(done[begin], done[middle]).asked["big"], part(done[middle], done[-1]).asked["big"]
        assert abs(a - b) <= ALIKE * (a + b) / 2 + 1e-9


class _Ledger:
    video_s, frames_in, audits = 0.0, 0, {}


def course(monkeypatch, *, since_s=None):
    """A course, and how to make a second of it go by with so many looks; how often it said that it is steady."""
    told: list[int] = []
    monkeypatch.setattr("vidpipe.bench.cost.course.tree_cpu_s", lambda: 0.0)
    found, collector, ledger = Course("a", since_s, lambda: told.append(1)), Collector([]), _Ledger()
    collector.ledgers["a"] = ledger

    class Meter:
        asked, cpu_ns = 0, 0

    meter = Meter()
    collector.counts = lambda: Counts({"big": meter}, {}, {})
    found.started([])

    def second(looks):
        ledger.video_s, ledger.frames_in = ledger.video_s + 1, ledger.frames_in + FPS
        meter.asked, meter.cpu_ns = meter.asked + looks, meter.cpu_ns + looks * 50_000_000
        found.progressed(collector)

    def report():
        stages = {"big": {"asked": meter.asked, "cpu_ms": 50.0}}
        stream = {"video_s": ledger.video_s, "frames_in": ledger.frames_in, "audits": {}}
        return {"streams": {"a": stream}, "stages": stages, "cpu_s": meter.cpu_ns / 1e9}

    return found, second, report, told


def test_it_ends_a_run_once_that_is_steady_and_takes_that_part(monkeypatch):
    found, second, report, told = course(monkeypatch)
    for looks in [10] * 10 + [1] * 40:
        if not told:
            second(looks)
    assert told == [1]
    assert found.is_steady
    figures, before = found.figures(report())
    assert before >= 100
    assert figures.asked == {"big": pytest.approx(0.1)}


def test_of_a_run_that_never_is_the_second_half_counts(monkeypatch):
    found, second, report, told = course(monkeypatch)
    for looks in range(30, 0, -1):
        second(looks)
    assert not told
    assert not found.is_steady
    figures, before = found.figures(report())
    assert before == 15 * FPS
    assert figures.asked == {"big": pytest.approx(sum(range(1, 16)) / 150)}


def test_who_wants_a_certain_part_gets_that(monkeypatch):
    found, second, report, told = course(monkeypatch, since_s=4.0)
    for looks in [9] * 4 + [3] * 20:
        second(looks)
    assert not told
    assert found.figures(report())[0].asked == {"big": pytest.approx(0.3)}
