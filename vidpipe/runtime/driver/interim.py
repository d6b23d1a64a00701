"""The report of a run that goes on: written now and then, so that whatever ends the run leaves one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from vidpipe.core.clock import Clock
from vidpipe.core.errors import VidpipeError
from vidpipe.results.records import Counts

log = logging.getLogger(__name__)

EVERY_S = 30.0

Report = dict[str, Any]


class Interim:
    """Has a report written, first when the run begins.

    Actors are asked for their counts, and files are written, in a thread of its own: neither may hold up answers.

    Args:
        takers: what the report is given to; what one raises is told, and it gets the next one all the same. None is
            left out.
        counts: what stages have counted, asked of all actors.
        build: the report by such counts, in the calling thread.
    """

    def __init__(
        self,
        takers: Sequence[Callable[[Report], None] | None],
        counts: Callable[[], Counts],
        build: Callable[[Counts], Report],
        clock: Clock,
    ) -> None:
        self._takers = [take for take in takers if take is not None]
        self._counts = counts
        self._build = build
        self._clock = clock
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="vidpipe-report")
        self._writing = threading.Lock()
        self._closed = False
        self._asked: Future[Counts] | None = None
        self._last = Counts({}, {}, {})
        self._due = clock.monotonic()

    def go_on(self) -> None:
        """Mostly does nothing: to be called often."""
        now = self._clock.monotonic()
        if not self._takers:
            return
        if self._asked is None and now >= self._due:
            self._due = now + EVERY_S
            self._asked = self._aside.submit(self._counts)
        elif self._asked is not None and self._asked.done():
            if self._asked.exception() is None:
                self._last = self._asked.result()
            self._asked = None
            self._aside.submit(self._put, self._build(self._last))

    def leave(self) -> None:
        """Write a last one, with what was counted last: the run has broken off, and nobody can be asked any more."""
        if self._takers and not self._closed:
            self._put(self._build(self._last))
        self.close()

    def close(self) -> None:
        """Write no more: whoever calls may write the report of the whole run."""
        with self._writing:
            self._closed = True
        self._aside.shutdown(wait=False, cancel_futures=True)

    def _put(self, report: Report) -> None:
        with self._writing:
            for take in () if self._closed else self._takers:
                try:
                    take(report)
                except VidpipeError as error:
                    log.warning("%s", error)
