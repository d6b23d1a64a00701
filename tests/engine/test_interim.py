"""Reports while a run goes on, and when it breaks off."""

from __future__ import annotations

import pytest

from tests import clips
from vidpipe.engine import interim as module
from vidpipe.errors import RunError

PIPELINE = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"
LIVE_FPS = 50


@pytest.fixture
def clip(tmp_path):
    return clips.encode(tmp_path / "clip.mp4", frames=60, fps=LIVE_FPS)


def test_reports_come_while_it_runs(runner, clip, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.1)
    told = []
    ran = runner(PIPELINE, {"a": f"live+file:{clip}"}, on_report=told.append)
    assert len(told) >= 3
    assert all(report["finished"] is False for report in told)
    assert all(set(report) == set(ran.report) for report in told)
    frames = [report["streams"]["a"]["frames_in"] for report in told]
    assert frames == sorted(frames)
    assert frames[-1] > 0
    assert told[-1]["stages"]["read"]["asked"] > 0
    assert ran.report["finished"] is True
    assert ran.report["streams"]["a"]["frames_in"] == 60


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
