"""A run by a clock that is turned by hand. What must hold:

- cameras, a tuner and ages go by it: hours pass in an instant, and nothing happens before its time;
- where it stands still the run can be stopped all the same;
- actors go by the clocks of their machines.
"""

from __future__ import annotations

import queue

import pytest

from tests import clips
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.states import RunState
from vidpipe.runtime.driver.tuner import Tuner
from vidpipe.testing.clock import HandClock

HOUR_S = 3600.0
PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""


class Looks(Tuner):
    """Changes nothing; says when it looked at the run, and what it saw."""

    seen: queue.Queue = queue.Queue()

    def tune(self, status):
        self.seen.put(status)
        return []


@pytest.fixture
def hourly(inline, tmp_path):
    """A camera that shows a picture an hour, four in all."""
    clip = clips.encode(tmp_path / "clip.mp4", times=[HOUR_S * n for n in range(4)])

    def loaded(tuner=""):
        file = tmp_path / "pipeline.yaml"
        file.write_text(PIPELINE + tuner)
        return load(file, sources={"gate": f"live+file:{clip}"})

    return loaded


def test_hours_pass_as_the_clock_is_turned(hourly):
    clock = HandClock()
    began = clock.utc()
    with Run(hourly(), engine="inline", clock=clock) as run:
        for result in run:
            assert result.captured_at == pytest.approx(began + HOUR_S * result.seq, abs=1e-3)
            clock.turn(60)
            status = run.status()
            assert status.at == pytest.approx(clock.utc())
            assert status.streams["gate"].pts == pytest.approx(HOUR_S * result.seq, abs=1e-3)
            assert status.streams["gate"].look_age_s == pytest.approx(60, abs=1e-3)
            clock.turn(HOUR_S - 60)
        report = run.join().report
    assert report["streams"]["gate"]["frames_in"] == 4
    assert report["latency_ms"]["p99"] < 1


def test_a_tuner_is_asked_when_its_time_has_come(hourly):
    clock, seen = HandClock(), Looks.seen
    with Run(hourly("tuner: {type: 'tests.runtime.test_clock:Looks', every_s: 600}"), engine="inline", clock=clock):
        for _ in range(3):
            clock.turn(599)
            with pytest.raises(queue.Empty):
                seen.get(timeout=0.02)
            clock.turn(1)
            assert seen.get(timeout=10).at == pytest.approx(clock.utc())


def test_a_run_whose_clock_stands_still_can_be_stopped(hourly):
    with Run(hourly(), engine="inline", clock=HandClock()) as run:
        assert next(iter(run)).seq == 0
        run.stop()
        outcome = run.join(30)
    assert run.state is RunState.ENDED
    assert outcome.interrupted
    assert outcome.report["streams"]["gate"]["frames_in"] == 1


def test_actors_go_by_no_other_clock_than_their_machines(hourly):
    with pytest.raises(ConfigError, match='a clock of your own goes with engine="inline"'):
        Run(hourly(), engine="ray", clock=HandClock())
