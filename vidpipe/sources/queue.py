"""From a reader, who never waits, to a consumer, who may be slow."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from vidpipe.core.answer import How
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Frame, Missing

OVERLOADED = "overloaded"  # pictures come faster than they are looked at
NO_TIME = "not decoded: cannot keep up"


class NewestQueue:
    """At most `size` frames, of which the newest win, and what became of the others: all of them in order."""

    def __init__(self, size: int, clock: Clock = REAL) -> None:
        self._size = size
        self._clock = clock
        self._items: OrderedDict[int, Frame | Missing] = OrderedDict()  # by number, in order
        self._frames: deque[int] = deque()  # the numbers of those that are frames
        self._changed = threading.Condition()
        self._nudged = False
        self._ended = False
        self._error: Exception | None = None

    def put(self, item: Frame | Missing) -> None:
        """Never waits. Where the queue is full, the oldest frame is `dropped` ("overloaded")."""
        with self._changed:
            if self._ended:
                return
            if isinstance(item, Frame):
                if len(self._frames) == self._size:
                    oldest = self._frames.popleft()
                    self._items[oldest] = dropped(self._items[oldest], OVERLOADED)
                self._frames.append(item.seq)
            self._items[item.seq] = item
            self._changed.notify()

    def arrivals(self, until: Callable[[], float]) -> Iterator[Frame | Missing | None]:
        """The pictures, each as soon as it is there, to the end; None after a `nudge`, or at the time `until()`.

        Raises what ended the reading.
        """
        while True:
            with self._changed:
                self._clock.wait_for(self._changed, lambda: self._items or self._nudged or self._ended, until())
                if not self._items and not self._nudged and self._ended:
                    break
                self._nudged = False
                item = self._pop() if self._items else None
            yield item
        if self._error is not None:
            raise self._error

    def nudge(self) -> None:
        """Have who waits look for other things than pictures; from any thread."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def _pop(self) -> Frame | Missing:
        _, item = self._items.popitem(last=False)
        if isinstance(item, Frame):
            self._frames.popleft()
        return item

    def end(self, error: Exception | None) -> None:
        """No more pictures come; those that wait are still given."""
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify()

    def close(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._items.clear()
            self._frames.clear()
            self._ended = True
            self._changed.notify()


def dropped(item: Frame | Missing, reason: str) -> Missing:
    """What stands in the place of a picture that nobody will see."""
    return Missing(item.stream, item.seq, item.pts, How.DROPPED, reason, item.captured_at, item.since)
