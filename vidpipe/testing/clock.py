"""A clock that is turned by hand: tests of time-outs and of live streams take no time, and never depend on the load."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from vidpipe.core.clock import Clock

_MORE_S = 1e-9


class HandClock(Clock):
    """Stands still until `turn` is called; whoever waits for it wakes when its time has come.

    A turn goes a nanosecond further than it is told, so that ten of a tenth of a second are a second in spite of
    rounding: what is due then is not missed.

    Args:
        utc: seconds since 1970 at which it begins.
    """

    def __init__(self, utc: float = 1_700_000_000.0) -> None:
        self._seconds = 1.0  # a time of 0 is what a picture has that has none
        self._offset = utc - self._seconds
        self._waiting: list[threading.Condition] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Seconds, from some moment on, that it has been turned by."""
        return self._seconds

    def utc(self) -> float:
        """Seconds since 1970, UTC."""
        return self._offset + self._seconds

    def turn(self, seconds: float) -> None:
        """Go forward, and wake all who wait."""
        with self._lock:
            self._seconds += seconds + _MORE_S
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def set_utc(self, utc: float) -> None:
        """Set the time of day, as an operator or NTP does; time that is waited for does not change."""
        self._offset = utc - self._seconds

    def wait_for(
        self, condition: threading.Condition, predicate: Callable[[], object], until: float = math.inf
    ) -> bool:
        """See `Clock.wait_for`."""
        with self._lock:
            self._waiting.append(condition)
        try:
            while not (met := bool(predicate())) and self._seconds < until:
                condition.wait()
        finally:
            with self._lock:
                self._waiting.remove(condition)
        return met
