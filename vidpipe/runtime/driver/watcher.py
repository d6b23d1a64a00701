"""What sees the progress of a run, in its process: progress bars, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vidpipe.results.collector import Collector
from vidpipe.sources.base import StreamInfo


class Watcher(Protocol):
    """Sees the progress of a run."""

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None: ...
