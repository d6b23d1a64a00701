"""Latencies are told by a clock that nobody sets."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests import clips

PIPELINE = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"
HOUR_S = 3600.0


class SetsTheClock:
    """A watcher: after some frames the machine's clock goes an hour forward, or back."""

    def __init__(self, monkeypatch, by_s):
        self.by_s, self.done = by_s, False
        self._monkeypatch = monkeypatch

    def started(self, infos): ...

    def progressed(self, collector):
        if not self.done and collector.frames_in() > 10:
            self.done = True
            right = time.time
            self._monkeypatch.setattr(time, "time", lambda: right() + self.by_s)


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
@pytest.mark.parametrize("kind", ["live+file:", ""])
def test_a_clock_that_is_set_spoils_no_latency(inline, tmp_path, monkeypatch, kind, by_s):
    clip = clips.encode(tmp_path / "clip.mp4", frames=50 if kind else 400, fps=50)
    watcher = SetsTheClock(monkeypatch, by_s)
    began = time.time()
    ran = inline(PIPELINE, {"a": f"{kind}{clip}"}, watchers=[watcher])
    assert watcher.done
    latency = ran.report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99"] < 20_000
    if kind:
        last = ran.lines[-1]["captured_at"]
        assert last == pytest.approx(began + by_s, abs=60)  # and from then on pictures have the clock's new time
    assert datetime.fromisoformat(ran.report["run"]["start"]).timestamp() == pytest.approx(began, abs=60)
