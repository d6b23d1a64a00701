"""Which rung of a ladder of settings a link uses, by how fast it is (AWStream, SIGCOMM 2018); no clock, no thread.

As there, it steps down at once to the best rung that needs less than 0.9 of the rate, and one rung further where that
did not help; it steps up one rung at a time, once the link has been free of a queue four times in a row. AWStream fills
the link with extra traffic before it steps up. Here the rate is known from each message, also while the link is mostly
idle: a step up needs room in that, or, since short messages make a link with a delay look slow, twice the patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

USED = 0.9  # of the rate
FREE_S = 0.5  # without a queue, to count as once
FREE_TIMES = 4  # before a step up that the rate has room for
BLIND_TIMES = 8  # before one that it seems to have no room for
AGAIN = 3  # times late on a rung that should be enough, to step down from it all the same
TRIAL_S = 3.0  # late within so long of a step up: that was one too many
MOST_PATIENCE = 8


class Rung(NamedTuple):
    """A setting of a link.

    Attributes:
        size: bytes of a picture, against those on the first rung.
        share: of the frames that cross.
    """

    size: float
    share: float = 1.0

    @property
    def load(self) -> float:
        """Bytes a second, against the first rung's."""
        return self.size * self.share


class RateControl:
    """The rung of one link.

    Args:
        rungs: from the dearest to the cheapest.
        late_s: how long a frame may take to cross.

    Attributes:
        rung: index of the one in use.
    """

    def __init__(self, rungs: Sequence[Rung], late_s: float) -> None:
        self._rungs = rungs
        self._late_s = late_s
        self.rung = 0
        self._patient_until = float("-inf")
        self._times_late = 0
        self._free_since: float | None = None
        self._rose_at = float("-inf")
        self._patience = 1

    def go_on(self, now_s: float, age_s: float, load: float, rate: float | None) -> int:
        """What the link should do now; the rung.

        Args:
            age_s: how long the oldest frame has waited to cross.
            load: bytes a second that would cross on the rung in use, if none had to wait.
            rate: bytes a second that can cross, as far as is known.
        """
        if age_s > self._late_s:
            self._free_since = None
            if now_s >= self._patient_until:
                self._step_down(now_s, load, rate)
        elif age_s > self._late_s / 2:
            self._free_since = None
        else:
            self._times_late = 0
            self._free(now_s, load, rate)
        return self.rung

    def _step_down(self, now_s: float, load: float, rate: float | None) -> None:
        fits = self._fitting(load, rate)
        if fits <= self.rung:
            self._times_late += 1
            fits = self.rung + (self._times_late >= AGAIN)
        fits = min(fits, len(self._rungs) - 1)
        if fits > self.rung:
            self._times_late = 0
            self._patience = min(2 * self._patience, MOST_PATIENCE) if now_s - self._rose_at < TRIAL_S else 1
        self.rung = fits
        self._patient_until = now_s + self._late_s  # what waits was packed before

    def _fitting(self, load: float, rate: float | None) -> int:
        """The best rung that the rate has room for; the last one where it has room for none."""
        if rate is None:
            return self.rung
        least = self._rungs[self.rung].load
        loads = [load * rung.load / least for rung in self._rungs]
        return next((index for index, each in enumerate(loads) if each <= USED * rate), len(loads) - 1)

    def _free(self, now_s: float, load: float, rate: float | None) -> None:
        if self._free_since is None:
            self._free_since = now_s
        if not self.rung:
            return
        above = load * self._rungs[self.rung - 1].load / self._rungs[self.rung].load
        has_room = rate is not None and above <= USED * rate
        times = FREE_TIMES if has_room else BLIND_TIMES
        if now_s - self._free_since >= times * FREE_S * self._patience:
            self.rung -= 1
            self._rose_at = self._free_since = now_s
