"""Time, as everything that waits or measures an age asks for it: so that tests can turn it by hand."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger(__name__)


class Clock:
    """The clock of the machine. `vidpipe.testing.clock.HandClock` is one that is turned by hand.

    What a run measures goes by its clock: the age of a frame or a look, time-outs, what is due every so many seconds.
    The time of the machine itself is another matter, and is asked of `time`: how long calls took, how long a thread or
    an actor may take to end, and the moments after which a loop looks round that nobody can wake. So no run hangs whose
    clock stands still.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def monotonic(self) -> float:
        """Seconds since some moment; it only goes forward, whatever is done to the time of day."""
        return time.monotonic()

    def utc(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def offset(self) -> float:
        """What makes UTC of a time of `monotonic`, seconds: it changes when somebody sets the time of day."""
        return self.utc() - self.monotonic()

    def wait_for(
        self, condition: threading.Condition, predicate: Callable[[], object], until: float = math.inf
    ) -> bool:
        """As `condition.wait_for`: wait, with the condition held, until the predicate is true or the time has come.

        Args:
            until: of `monotonic`. A time rather than a time-out: no clock can go on unseen between its reckoning and
                the wait.

        Returns:
            Whether the predicate is true.
        """
        left_s = None if until == math.inf else max(0.0, until - self.monotonic())
        return bool(condition.wait_for(predicate, left_s))


class Jump(NamedTuple):
    """By how many seconds the time of day went forward, and when that was seen, by monotonic time."""

    by_s: float
    seen_at: float


class Jumps:
    """Notices where the time of day has been set, by an operator or by NTP, or has gone on while the machine slept.

    Waits and ages go by monotonic time, and so do not change; but times that are told before and after do not compare.

    Attributes:
        seen: newest last.
    """

    LEAST_S = 2.0  # what NTP sets by degrees stays under it
    MOST = 20  # that are remembered
    TOLD_S = 3600.0  # for so long each is told

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.offset()
        self.seen: tuple[Jump, ...] = ()

    def look(self) -> None:
        """To be called every few seconds or oftener."""
        by_s = self._clock.offset() - self._offset
        self._offset += by_s
        if abs(by_s) >= self.LEAST_S:
            self.seen = (*self.seen, Jump(by_s, self._clock.monotonic()))[-self.MOST :]
            log.warning("%s; times before and after do not compare", self.told()[-1])

    def told(self) -> list[str]:
        """Those of the last hour in words."""
        oldest = self._clock.monotonic() - self.TOLD_S
        return [
            f"the time of day was set back by {-jump.by_s:.0f} s"
            if jump.by_s < 0
            else f"the time of day went forward by {jump.by_s:.0f} s: it was set, or this machine slept"
            for jump in self.seen
            if jump.seen_at > oldest
        ]


REAL = Clock()
"""The clock that is meant where nobody names another."""


class Stop(threading.Event):
    """Whether to end: an event that a thread can wait for by a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._changed = threading.Condition()

    def set(self) -> None:
        with self._changed:
            super().set()
            self._changed.notify_all()

    def wait_until(self, until: float) -> bool:
        """Wait until it is set, but not beyond this time of `monotonic`; whether it is set."""
        with self._changed:
            return self._clock.wait_for(self._changed, self.is_set, until)
