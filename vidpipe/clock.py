"""Time, as everything that waits or measures an age asks for it: so that tests can turn it by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """The clock of the machine. `vidpipe.testing.clock.HandClock` is one that is turned by hand."""

    def monotonic(self) -> float:
        """Seconds since some moment; it only goes forward, whatever is done to the time of day."""
        return time.monotonic()

    def utc(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def wait_for(
        self, condition: threading.Condition, predicate: Callable[[], object], timeout_s: float | None = None
    ) -> bool:
        """As `condition.wait_for`: wait, with the condition held, until the predicate is true or the time is over.

        Returns:
            Whether the predicate is true.
        """
        return bool(condition.wait_for(predicate, timeout_s))


REAL = Clock()
"""The clock that is meant where nobody names another."""
