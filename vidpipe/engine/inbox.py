"""Where a live stream's pictures wait for its thread: the newest few, and what became of the others."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from vidpipe.answer import How
from vidpipe.engine.below import OVERLOADED
from vidpipe.frame import Frame, Missing
from vidpipe.sources.base import Source

SIZE = 3  # pictures that wait: more would bridge longer hitches, and make every picture behind them as much older


class Inbox:
    """Lets one thread wait for pictures and for answers at the same time.

    A thread of its own goes through the source, and puts each picture here whether anybody takes it or not: when `SIZE`
    wait, the oldest of them is dropped ("overloaded"). It still comes out, in order, as `Missing`.
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        self._items: OrderedDict[int, Frame | Missing] = OrderedDict()  # by number, in order
        self._frames: deque[int] = deque()  # the numbers of those that are frames
        self._changed = threading.Condition()
        self._nudged = False
        self._ended = False
        self._error: Exception | None = None
        self._reader = threading.Thread(target=self._read, name=f"vidpipe-in-{name}", daemon=True)

    def nudge(self, _: object = None) -> None:
        """Wake who waits: there is an answer. From any thread."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def arrivals(self, wait_s: Callable[[], float | None]) -> Iterator[Frame | Missing | None]:
        """The pictures, in order; None after a nudge, or nothing for `wait_s()`. Raises what ended the source.

        Once the source is closed what waits is still given.
        """
        self._reader.start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._nudged or self._ended, wait_s())
                if not self._items and not self._nudged and self._ended:
                    break
                self._nudged = False
                item = self._pop() if self._items else None
            yield item
        if self._error is not None:
            raise self._error

    def _pop(self) -> Frame | Missing:
        _, item = self._items.popitem(last=False)
        if isinstance(item, Frame):
            self._frames.popleft()
        return item

    def _read(self) -> None:
        try:
            for item in self._source:
                self._put(item)
        except Exception as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, item: Frame | Missing) -> None:
        with self._changed:
            if isinstance(item, Frame):
                if len(self._frames) == SIZE:
                    self._drop(self._frames.popleft())
                self._frames.append(item.seq)
            self._items[item.seq] = item
            self._changed.notify()

    def _drop(self, seq: int) -> None:
        frame = self._items[seq]
        self._items[seq] = Missing(frame.stream, seq, frame.pts, How.DROPPED, OVERLOADED, frame.captured_at)
