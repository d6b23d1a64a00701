"""The progress of several queries: a line for each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from vidpipe.cli.terminal.progress import QUIET_EVERY_S
from vidpipe.results.collector import Collector
from vidpipe.results.ledger import total_by
from vidpipe.sources.base import StreamInfo


class QueriesProgress:
    """Draws on stderr what the watchers of all queries see; where that is no terminal it writes lines now and then."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} frames, {task.fields[fps]:.0f} a second"),
            TextColumn("{task.fields[shares]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> QueriesProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def watcher(self, query: str) -> QueryProgress:
        """What sees one query."""
        return QueryProgress(self, query)


class QueryProgress:
    """A `Watcher` of one query."""

    def __init__(self, progress: QueriesProgress, query: str) -> None:
        self._progress = progress
        self._query = query
        self._task = progress.bar.add_task(query, total=None, fps=0.0, shares="")
        self._began = self._said_at = time.monotonic()

    def started(self, infos: Sequence[StreamInfo]) -> None:
        known = [info.frames for info in infos if info.frames is not None]
        self._progress.bar.update(self._task, total=sum(known) if known and len(known) == len(infos) else None)
        self._began = self._said_at = time.monotonic()

    def progressed(self, collector: Collector) -> None:
        frames, by = collector.frames_in(), total_by(collector.ledgers)
        fps = frames / max(time.monotonic() - self._began, 1e-9)
        shares = " ".join(f"{stage} {100 * count / by.total():.0f} %" for stage, count in by.most_common())
        self._progress.bar.update(self._task, completed=frames, fps=fps, shares=shares)
        if self._progress.bar.disable and time.monotonic() - self._said_at > QUIET_EVERY_S:
            self._said_at = time.monotonic()
            self._progress.console.print(f"{self._query}: {frames} frames, {fps:.0f} a second, {shares}", markup=False)
