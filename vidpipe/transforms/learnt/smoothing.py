"""K of N with hysteresis: from single looks that err to an event that begins and ends."""

from __future__ import annotations

from collections import deque


class Smoothing:
    """Whether an event goes on, by the last looks; it pickles.

    A look says yes from `begin` on and no under `end`; between them it says what was so before (FilterForward smooths
    by K of N; the second threshold keeps a score on the edge from beginning events again and again).

    Args:
        k, n: so many of the last n looks must say yes for it to begin, no for it to end.

    Attributes:
        on: whether it goes on.
    """

    def __init__(self, begin: float, end: float, k: int, n: int) -> None:
        self._begin, self._end, self._k = begin, end, k
        self._looks: deque[bool] = deque(maxlen=n)
        self.on = False

    def clear(self) -> None:
        """Nothing is known any more."""
        self._looks.clear()
        self.on = False

    def look(self, score: float) -> bool:
        """Take a look's log-odds; whether the event goes on now."""
        says = score >= self._begin if not self.on else score >= self._end
        self._looks.append(says)
        against = sum(each != self.on for each in self._looks)
        if against >= self._k:
            self.on = not self.on
            self._looks.clear()
        return self.on
