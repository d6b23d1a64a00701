"""What is measured: something that answers a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vidpipe.bench.figures import Engine
from vidpipe.core.errors import RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.usage import tree_cpu_s
from vidpipe.runtime.driver.run import run
from vidpipe.sources.base import StreamInfo


class Job(Protocol):
    """A run in a process of its own; it pickles.

    Attributes:
        search_paths: folders from which what it is made of is imported.
    """

    @property
    def search_paths(self) -> tuple[str, ...]: ...

    def run(self, results: Path) -> dict[str, Any]:
        """Answer the clip, one JSON line of `results` for every frame.

        Returns:
            A report as `vidpipe run --report` writes it, and `start_up_cpu_s`: CPU seconds of all processes before
            the first frame.

        Raises:
            VidpipeError: it could not begin, or did not come through without an error.
            KeyboardInterrupt: somebody asked it to end before it was done.
        """
        ...


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """A pipeline, run as `vidpipe run` does."""

    pipeline: Pipeline
    engine: Engine

    @property
    def search_paths(self) -> tuple[str, ...]:
        return self.pipeline.search_paths

    def run(self, results: Path) -> dict[str, Any]:
        """See `Job.run`."""
        start_up = _StartUp()
        outcome = run(self.pipeline, engine=self.engine, sinks=[ResultsFile(results)], watchers=[start_up])
        if outcome.interrupted:
            raise KeyboardInterrupt
        if outcome.errors:
            raise RunError(f"pipeline {self.pipeline.name}: {'; '.join(outcome.errors)}")
        return {**outcome.report, "start_up_cpu_s": round(start_up.cpu_s, 3)}


class _StartUp:
    """A `Watcher` that reads the clocks when everything is open and no frame has come yet."""

    cpu_s = 0.0

    def started(self, infos: Sequence[StreamInfo]) -> None:
        self.cpu_s = tree_cpu_s()

    def progressed(self, collector: Collector) -> None:
        pass
