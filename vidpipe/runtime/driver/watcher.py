"""What sees the progress of a run, in its process: progress bars, metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vidpipe.results.collector import Collector
from vidpipe.sources.base import StreamInfo


class Watcher(Protocol):
    """Sees the progress of a run."""

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None: ...


class Watching:
    """The watchers of a run, which see nothing of it while it is held.

    Args:
        infos: of the streams as they were opened.
    """

    def __init__(self, watchers: Sequence[Watcher], infos: Sequence[StreamInfo], is_held: Callable[[], bool]) -> None:
        self._watchers = watchers
        self._infos = infos
        self._is_held = is_held
        self._started = False

    def start(self) -> None:
        """They see it from now on, unless it is held."""
        if self._started or self._is_held():
            return
        self._started = True
        for watcher in self._watchers:
            watcher.started(self._infos)

    def look(self, collector: Collector) -> None:
        self.start()
        for watcher in self._watchers if self._started else ():
            watcher.progressed(collector)
