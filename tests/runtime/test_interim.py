"""Reports while a run goes on, and when it breaks off."""

from __future__ import annotations

import pytest

from tests import clips
from tests.waiting import until
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver import interim as module
from vidpipe.runtime.driver.session import Run
from vidpipe.testing.clock import HandClock

PIPELINE = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"
LIVE_FPS = 50


@pytest.fixture
def clip(tmp_path):
    return clips.encode(tmp_path / "clip.mp4", frames=60, fps=LIVE_FPS)


def check(told, report):
    """Those that were told while it ran, and the whole one."""
    assert all(each["finished"] is False for each in told)
    assert all(set(each) == set(report) for each in told)
    frames = [each["streams"]["a"]["frames_in"] for each in told]
    assert frames == sorted(frames)
    assert frames[-1] > 0
    assert told[-1]["stages"]["read"]["asked"] > 0
    assert report["finished"] is True


@pytest.mark.long
@pytest.mark.ray
def test_reports_come_while_actors_run(on_ray, clip, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.1)
    told = []
    ran = on_ray(PIPELINE, {"a": f"live+file:{clip}"}, on_report=told.append)
    assert len(told) >= 3
    check(told, ran.report)
    assert ran.report["streams"]["a"]["frames_in"] == 60


def test_reports_come_at_the_beginning_and_every_half_minute(inline, tmp_path):
    clip = clips.encode(tmp_path / "slow.mp4", frames=4, times=[0.0, 30.0, 60.0, 90.0])
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    told, clock = [], HandClock()
    pipeline = load(file, sources={"a": f"live+file:{clip}"})
    with Run(pipeline, engine="inline", on_report=told.append, clock=clock) as run:
        for reports, _ in zip((1, 2, 3), run, strict=False):
            until(lambda count=reports: len(told) == count, 20)
            clock.turn(module.EVERY_S)
        report = run.join().report
    check(told, report)
    assert report["streams"]["a"]["frames_in"] == 4


def test_a_report_that_cannot_be_written_ends_nothing(inline, clip, caplog):
    def full(report):
        raise RunError("report r.json cannot be written: No space left on device")

    ran = inline(PIPELINE, {"a": clip}, on_report=full)
    assert ran.outcome.exit_status == 0
    assert len(ran.lines) == 60


class BreaksOff:
    """A watcher that raises what a cluster does that has lost its head."""

    def started(self, infos): ...

    def progressed(self, collector):
        if collector.frames_in() >= 20:
            raise RunError("the cluster is gone")


def test_a_run_that_breaks_off_leaves_a_report(inline, clip):
    told = []
    with pytest.raises(RunError, match="the cluster is gone"):
        inline(PIPELINE, {"a": clip}, watchers=[BreaksOff()], on_report=told.append)
    last = told[-1]
    assert last["finished"] is False
    assert last["streams"]["a"]["frames_in"] == sum(last["streams"]["a"]["how"].values()) >= 20
