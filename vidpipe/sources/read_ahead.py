"""What live sources have in common: pictures wait in a short queue, whether anybody takes them or not."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

from vidpipe.core.clock import REAL, Clock, Stop
from vidpipe.core.errors import contained
from vidpipe.core.frame import Frame, Missing
from vidpipe.sources.queue import NewestQueue

QUEUE = 3  # pictures that wait: more would bridge longer hitches, and make every picture behind them as much older


class Queued:
    """The part of a `LiveSource` that hands pictures over. A subclass puts them into `_queue`."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._queue = NewestQueue(QUEUE, clock)

    @property
    def broken_off(self) -> str:
        """A camera has no end that it could fall short of."""
        return ""

    def nudge(self) -> None:
        """See `LiveSource.nudge`."""
        self._queue.nudge()

    def __iter__(self) -> Iterator[Frame | Missing]:
        """The pictures; a source can be gone through once, and is closed afterwards."""
        return (item for item in self.arrivals(lambda: math.inf) if item is not None)

    def arrivals(self, until: Callable[[], float]) -> Iterator[Frame | Missing | None]:
        """See `LiveSource.arrivals`."""
        return self._queue.arrivals(until)


class ReadAhead(Queued):
    """The same for pictures that a thread of its own reads, from the moment at which somebody takes them.

    A subclass says how (`_read`: to the end, or until `_stop` is set), and lets go of what it has in `close`.

    Args:
        name: of the stream.
        join_s: how long the end of the iteration waits for the thread; None: as long as it takes.
    """

    def __init__(self, name: str, clock: Clock, *, join_s: float | None = None) -> None:
        super().__init__(clock)
        self._stop = Stop(clock)
        self._join_s = join_s
        self._reader = threading.Thread(target=self._read_to_end, name=f"vidpipe-read-{name}", daemon=True)

    def close(self) -> None:
        """Ends the iteration, also of one who waits for a picture; may be called from any thread, and twice."""
        self._stop.set()
        self._queue.close()

    def arrivals(self, until: Callable[[], float]) -> Iterator[Frame | Missing | None]:
        """See `LiveSource.arrivals`."""
        if self._stop.is_set() or self._reader.ident is not None:
            return
        self._reader.start()
        try:
            yield from self._queue.arrivals(until)
        finally:
            self.close()
            self._reader.join(self._join_s)

    def _read(self) -> None:
        raise NotImplementedError

    def _read_to_end(self) -> None:
        error: Exception | None = None
        try:
            self._read()
        except BaseException as raised:  # whatever it is, who takes the pictures must hear of it
            error = raised if isinstance(raised, Exception) else contained(raised)
        self._queue.end(error)
