"""What waits for somebody who iterates over it, in a thread or under asyncio."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from vidpipe.core.clock import REAL, Clock

T = TypeVar("T")


class FeedEnded(Exception):  # noqa: N818 - it says that all is well
    """Nothing more comes."""


class Feed(Generic[T]):
    """A bounded queue from one producer to whoever iterates; several who iterate share what comes.

    An item is either lossy (of a live stream: the newest wins) or not (of a recording: the producer looks at `is_full`
    and waits). What does not fit is counted in `lost`, so that nothing disappears unseen.

    Args:
        limit: how many items of each kind wait; a producer that does not look at `is_full` may go beyond it.
    """

    def __init__(self, limit: int, clock: Clock = REAL) -> None:
        self.lost = 0
        self._limit = limit
        self._clock = clock
        self._lossy: deque[tuple[int, T]] = deque()
        self._kept: deque[tuple[int, T]] = deque()
        self._count = 0
        self._changed = threading.Condition()
        self._wakers: list[Callable[[], object]] = []
        self._open = True  # whether somebody may still take what comes
        self._ended = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._lossy) + len(self._kept)

    @property
    def is_full(self) -> bool:
        """Whether what must not be lost has to wait."""
        return self._open and len(self._kept) >= self._limit

    def put(self, item: T, *, lossy: bool = False) -> T | None:
        """Add an item; gives back the one that is lost for it, if one is."""
        with self._changed:
            if not self._open or self._ended:
                return None
            self._count += 1
            lost = None
            if lossy and len(self._lossy) >= self._limit:
                _, lost = self._lossy.popleft()
                self.lost += 1
            (self._lossy if lossy else self._kept).append((self._count, item))
            self._changed.notify()
            self._wake()
            return lost

    def get(self, timeout_s: float | None = None) -> T:
        """The next item, in the order in which they came.

        Raises:
            FeedEnded: nothing more comes.
            TimeoutError: nothing came in that time.
            Exception: what the producer ended with.
        """
        until = math.inf if timeout_s is None else self._clock.monotonic() + timeout_s
        with self._changed:
            if not self._clock.wait_for(self._changed, lambda: self or self._is_over, until):
                raise TimeoutError(f"nothing came within {timeout_s:g} s")
            if not self:
                self._raise_at_end()
            return self._next()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; what waits is still given, and then `error` is raised, if there is one."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()
            self._wake()

    def abandon(self) -> None:
        """Nobody takes what comes any more: nothing waits from now on, and nobody is held up."""
        with self._changed:
            self._open = False
            self._lossy.clear()
            self._kept.clear()
            self._changed.notify_all()
            self._wake()

    def __iter__(self) -> Iterator[T]:
        with suppress(FeedEnded):
            while True:
                yield self.get()

    async def __aiter__(self) -> AsyncIterator[T]:
        with suppress(FeedEnded):
            while True:
                yield await self.aget()

    async def aget(self) -> T:
        """`get` for asyncio: waits without a thread, and may be cancelled without losing an item."""
        loop = asyncio.get_running_loop()
        while True:
            came = asyncio.Event()
            waker = lambda: loop.call_soon_threadsafe(came.set)  # noqa: E731, B023 - called before the next turn
            with self._changed:
                if self:
                    return self._next()
                self._raise_at_end()
                self._wakers.append(waker)
            try:
                await came.wait()
            finally:
                with self._changed, suppress(ValueError):
                    self._wakers.remove(waker)

    def __bool__(self) -> bool:
        return bool(self._lossy or self._kept)

    def _next(self) -> T:
        queues = [queue for queue in (self._lossy, self._kept) if queue]
        _, item = min(queues, key=lambda queue: queue[0][0]).popleft()
        self._changed.notify_all()
        return item

    @property
    def _is_over(self) -> bool:
        return self._ended or not self._open

    def _raise_at_end(self) -> None:
        if self._error is not None:
            raise self._error
        if self._is_over:
            raise FeedEnded

    def _wake(self) -> None:
        wakers, self._wakers = self._wakers, []
        for waker in wakers:
            with suppress(RuntimeError):  # its loop has closed
                waker()
