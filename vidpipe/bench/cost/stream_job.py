"""A run of one stream that tells what it took in its second half."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.bench.cost.pictures import pictures_on_links
from vidpipe.bench.figures import Engine
from vidpipe.core.errors import RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.usage import tree_cpu_s
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.driver.versions import Versions
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamInfo


@dataclass(frozen=True, slots=True)
class StreamJob:
    """A run of a pipeline, with figures of the second half of its first stream."""

    pipeline: Pipeline
    engine: Engine
    seconds: float

    @property
    def search_paths(self) -> tuple[str, ...]:
        return self.pipeline.search_paths

    def run(self, results: Path) -> dict[str, Any]:
        """See `Job.run`."""
        name, stream = next(iter(self.pipeline.streams.items()))
        pictures = dict(pictures_on_links(name, stream.spec, self.pipeline))
        halves, lateness = _Halves(name, self.seconds / 2), _Lateness(name)
        ends = _Ends(self.seconds) if is_camera(stream.spec.url) else None
        outcome = run(
            self.pipeline,
            engine=self.engine,
            sinks=[lateness],
            watchers=[halves],
            beside=ends.beside if ends else nullcontext,
        )
        if outcome.interrupted and not (ends and ends.stopped):
            raise KeyboardInterrupt
        if outcome.errors:
            raise RunError(f"stream {name}: {'; '.join(outcome.errors)}")
        report = outcome.report
        told = report["streams"][name]
        frames, video_s = told["frames_in"], told["video_s"]
        size = report["run"]["streams"].get(name, {}).get("size")
        if not frames or not video_s or not size:
            raise RunError(f"stream {name}: no picture came in {self.seconds:g} s: there is nothing to plan with")
        return {
            "frames": frames,
            "fps": frames / video_s,
            "size": size,
            "stages": report["stages"],
            "audited": {stage: audit["audited"] for stage, audit in told["audits"].items()},
            "f1": told["accuracy"]["f1"],
            "low": told["accuracy"]["low"],
            "pictures": pictures,
            "half": {
                **halves.second(report, [stage.id for stage in self.pipeline.stages]),
                "latency_ms": lateness.mean_ms(halves.frames) if stream.spec.live else None,
            },
        }


class _Ends:
    """Ends a run after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.stopped = False

    @contextmanager
    def beside(self, session: Versions) -> Iterator[None]:
        def stop() -> None:
            self.stopped = True
            session.stop()

        timer = threading.Timer(self._seconds, stop)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _Halves:
    """A `Watcher` that notes what was done when half of the time was over.

    Attributes:
        frames: of the stream by then.
    """

    def __init__(self, stream: str, half_s: float) -> None:
        self._stream, self._half_s = stream, half_s
        self._began_s = self._cpu_s = 0.0
        self._by: Counter[str] | None = None
        self.frames = 0

    def started(self, infos: Sequence[StreamInfo]) -> None:
        self._began_s = tree_cpu_s()

    def progressed(self, collector: Collector) -> None:
        ledger = collector.ledgers.get(self._stream)
        if self._by is None and ledger is not None and ledger.video_s >= self._half_s:
            self.frames = ledger.frames_in
            self._cpu_s = tree_cpu_s() - self._began_s
            self._by = answered(ledger.report())

    def second(self, report: Mapping[str, Any], stages: Sequence[str]) -> dict[str, Any]:
        """CPU milliseconds a frame, and how often each stage was asked a frame, in the second half.

        Who answered is known of each half, how often stages were asked only of the whole: that is shared out as the
        answers of the stage and of those below it are.
        """
        streams = report["streams"]
        told = streams[self._stream]
        whole, frames = answered(told), told["frames_in"]
        all_frames = sum(stream["frames_in"] for stream in streams.values())
        by = self._by if self._by is not None and self.frames < frames else Counter()
        first = self.frames if by else 0
        cpu_s = report["cpu_s"] - (self._cpu_s if by else 0.0)
        asked: dict[str, float] = {}
        for at, stage in enumerate(stages):
            of_whole = sum(whole[name] for name in stages[at:])
            of_second = of_whole - sum(by[name] for name in stages[at:])
            share = report["stages"][stage]["asked"] / all_frames
            asked[stage] = share * (of_second / (frames - first)) / (of_whole / frames) if of_whole else share
        return {"cpu_ms": 1000 * cpu_s / max(1, all_frames - first), "asked": asked}


def answered(told: Mapping[str, Any]) -> Counter[str]:
    """How many frames each stage has answered; a late answer counts for who gave it, not for who stood in."""
    by: Counter[str] = Counter(told["by"])
    for stage, covers in told["late"].items():
        by[stage] += sum(covers.values())
        by.subtract(covers)
    return by


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
