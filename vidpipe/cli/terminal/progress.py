"""The progress bar of a run: frames a second, who answers them, time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.ledger import total_by
from vidpipe.sources.base import StreamInfo

QUIET_EVERY_S = 10.0  # between lines where there is no terminal to draw a bar on


class ProgressBar:
    """A `Watcher` that draws on stderr; where that is no terminal it writes a line now and then."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._order = [stage.id for stage in pipeline.stages]
        self._streams = len(pipeline.streams)
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} frames, {task.fields[fps]:.0f} a second"),
            TextColumn("{task.fields[shares]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("starting", total=None, fps=0.0, shares="")
        self._began = time.monotonic()
        self._said_at = time.monotonic()

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, infos: Sequence[StreamInfo]) -> None:
        known = [info.frames for info in infos if info.frames is not None]
        total = sum(known) if len(known) == self._streams else None  # some may not be open yet
        self._bar.update(self._task, description="running", total=total)
        self._began = self._said_at = time.monotonic()

    def progressed(self, collector: Collector) -> None:
        frames = collector.frames_in()
        fps = frames / max(time.monotonic() - self._began, 1e-9)
        shares = self._shares(collector)
        self._bar.update(self._task, completed=frames, fps=fps, shares=shares)
        if self._bar.disable and time.monotonic() - self._said_at > QUIET_EVERY_S:
            self._said_at = time.monotonic()
            self._console.print(f"{frames} frames, {fps:.0f} a second, {shares}")

    def _shares(self, collector: Collector) -> str:
        by = total_by(collector.ledgers)
        ids = [*(stage for stage in self._order if by[stage]), *sorted(set(by) - set(self._order))]
        return " ".join(f"{stage} {100 * by[stage] / by.total():.0f} %" for stage in ids)
