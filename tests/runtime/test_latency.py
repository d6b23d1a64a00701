"""Latencies are told by a clock that nobody sets."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests import clips
from vidpipe.core.clock import REAL, Clock

PIPELINE = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"
HOUR_S = 3600.0


class SetClock(Clock):
    """A clock whose time of day is set while a run goes on, and a watcher: after some frames it is set."""

    def __init__(self, by_s):
        self.by_s, self.done = by_s, False

    def utc(self):
        return super().utc() + self.by_s * self.done

    def started(self, infos): ...

    def progressed(self, collector):
        self.done = self.done or collector.frames_in() > 10


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
@pytest.mark.parametrize("kind", ["live+file:", ""])
def test_a_clock_that_is_set_spoils_no_latency(inline, tmp_path, kind, by_s):
    clip = clips.encode(tmp_path / "clip.mp4", frames=50 if kind else 400, fps=50)
    clock = SetClock(by_s)
    began = REAL.utc()
    ran = inline(PIPELINE, {"a": f"{kind}{clip}"}, watchers=[clock], clock=clock)
    assert clock.done
    latency = ran.report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99"] < 20_000
    if kind:
        last = ran.lines[-1]["captured_at"]
        assert last == pytest.approx(began + by_s, abs=60)  # and from then on pictures have the clock's new time
    assert datetime.fromisoformat(ran.report["run"]["start"]).timestamp() == pytest.approx(began, abs=60)
