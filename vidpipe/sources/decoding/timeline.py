"""Media time: from a container's stamps, as they come, to seconds that only go forward."""

from __future__ import annotations

from fractions import Fraction

STEP_S = 1e-5
"""Pictures are at least so far apart, even with one stamp: none is lost when a run goes on behind the first of them."""

_JUMP_S = 1.0


class Timeline:
    """Gives each picture of a file its media time; 0 is the file's first picture.

    A gap stays a gap (variable frame rate). A picture without a stamp follows the one before it at the announced rate.
    A stamp that does not go forward is put `STEP_S` behind the one before it, unless it goes back by more than a
    second: that is another recording joined to the first, and time goes on from there.

    Args:
        tick: seconds of one unit of the stamps.
        period: seconds from picture to picture at the announced rate.
        origin: the stamp of the file's first picture; None: the first one that is asked for.
    """

    def __init__(self, tick: Fraction, period: float, origin: int | None = None) -> None:
        self.origin = origin
        self._ticks, self._seconds = tick.denominator, tick.numerator
        self._period = period
        self._shift = 0.0
        self._last = -period

    def at(self, stamp: int | None) -> float:
        """Media seconds of the next picture, in presentation order."""
        if stamp is None:
            time = self._last + self._period
        else:
            if self.origin is None:
                self.origin = stamp
            time = (stamp - self.origin) * self._seconds / self._ticks + self._shift
            if time < self._last + STEP_S:
                time = self._forward(time)
        self._last = time
        return time

    def _forward(self, time: float) -> float:
        if self._last - time <= _JUMP_S:
            return self._last + STEP_S
        following = self._last + self._period
        self._shift += following - time
        return following
