"""A run of one stream that tells what it took once it was steady."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.bench.cost.course import Course
from vidpipe.bench.cost.crossings import crossings
from vidpipe.bench.cost.pictures import pictures_on_links, sampled
from vidpipe.bench.figures import Engine
from vidpipe.core.errors import RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.driver.versions import Versions
from vidpipe.sources.address import is_camera


@dataclass(frozen=True, slots=True)
class StreamJob:
    """A run of a pipeline, with figures of a part of its first stream.

    Attributes:
        seconds: media seconds of a camera; recordings end where they are cut.
        since_s: media second from which on figures are wanted; None: from where the run is steady, and it ends once
            that can be told.
    """

    pipeline: Pipeline
    engine: Engine
    seconds: float
    since_s: float | None = None

    @property
    def search_paths(self) -> tuple[str, ...]:
        return self.pipeline.search_paths

    def run(self, results: Path) -> dict[str, Any]:
        """See `Job.run`."""
        name, stream = next(iter(self.pipeline.streams.items()))
        frames = sampled(name, stream.spec) if self.since_s is None else []
        pictures = dict(pictures_on_links(frames, self.pipeline))
        seen = crossings(frames, self.pipeline)
        ends = _Ends(self.seconds if is_camera(stream.spec.url) else None)
        course, lateness = Course(name, self.since_s, ends.stop), _Lateness(name)
        outcome = run(
            self.pipeline,
            engine=self.engine,
            sinks=[lateness],
            watchers=[course],
            beside=ends.beside,
        )
        if outcome.interrupted and not ends.stopped:
            raise KeyboardInterrupt
        if outcome.errors:
            raise RunError(f"stream {name}: {'; '.join(outcome.errors)}")
        report = outcome.report
        told = report["streams"][name]
        frames, video_s = told["frames_in"], told["video_s"]
        size = report["run"]["streams"].get(name, {}).get("size")
        if not frames or not video_s or not size:
            raise RunError(f"stream {name}: no picture came in {self.seconds:g} s: there is nothing to plan with")
        found, before = course.figures(report)
        return {
            "frames": frames,
            "fps": frames / video_s,
            "size": size,
            "f1": told["accuracy"]["f1"],
            "low": told["accuracy"]["low"],
            "pictures": pictures,
            "seen": {model: {way: each.model_dump() for way, each in ways.items()} for model, ways in seen.items()},
            "stages": report["stages"],
            "steady": course.is_steady,
            "part": {**found._asdict(), "latency_ms": lateness.mean_ms(before) if stream.spec.live else None},
        }


class _Ends:
    """Ends a run: after a while, or when it is told to.

    Args:
        seconds: that while; None: the stream ends by itself.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._session: Versions | None = None
        self.stopped = False

    def stop(self) -> None:
        """Ask the run to end in order."""
        if self._session is not None:
            self.stopped = True
            self._session.stop()

    @contextmanager
    def beside(self, session: Versions) -> Iterator[None]:
        self._session = session
        timer = None if self._seconds is None else threading.Timer(self._seconds, self.stop)
        if timer is not None:
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()


class _Lateness(Sink):
    """How late each result of a stream was."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._ms: list[float] = []

    def write(self, results: Sequence[Result], published_at: float) -> None:
        now = time.monotonic()
        self._ms += [1000 * (now - each.since) for each in results if each.stream == self._stream and each.since]

    def mean_ms(self, behind: int) -> float | None:
        """Mean of those behind the first so many; None: there are none."""
        late = self._ms[behind:]
        return float(np.mean(late)) if late else None
