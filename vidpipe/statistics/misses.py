"""How many of the frames that show a target a filter withholds, from audits of what it withholds.

Audits are a random sample of the withheld frames, so Wilson's interval of their rate holds for all of those. Of the
frames that were passed on all, or those that stages in between let through, were looked at, and the share of them with
a target is taken for that of all. The share of misses grows with the audits' rate: so the one interval gives the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vidpipe.statistics.wilson import wilson


class Interval(NamedTuple):
    """A share with its 95 % interval."""

    rate: float
    low: float
    high: float


@dataclass(slots=True)
class Misses:
    """Counts for one stream since a filter is in force.

    Attributes:
        withheld: frames that the filter answered, audited ones included.
        audited, missed: of those, and in how many a target was seen after all.
        passed: frames passed on.
        looked, shown: of those, and in how many a target was seen.
    """

    withheld: int = 0
    audited: int = 0
    missed: int = 0
    passed: int = 0
    looked: int = 0
    shown: int = 0

    def asked(self, shows: bool | None) -> None:
        """A frame, to be audited or not, and whether the filter says that it shows a target; None: it passed it on.

        That there is one is taken at its word.
        """
        self.withheld += shows is False
        self.passed += shows is not False
        self.looked += shows is True
        self.shown += shows is True

    def learn(self, shows: bool, *, passed: bool, audited: bool) -> None:
        """Whether somebody who looked saw a target in a frame that was passed on, or in an audited one."""
        self.audited += audited
        self.missed += audited and shows
        self.looked += passed
        self.shown += passed and shows

    def rate(self) -> Interval:
        """Share of the frames with a target that was withheld; (0, 0, 1) while nothing is known."""
        if not self.audited:
            return Interval(0.0, 0.0, 1.0)
        low, high = wilson(self.missed, self.audited)
        # Without a miss the lower end is 0 but for rounding, which is all where nothing else shows a target.
        rates = (self.missed / self.audited, low if self.missed else 0.0, high)
        return Interval(*map(self._of_shown, rates))

    def in_vain(self) -> Interval:
        """Share of the frames without a target that was passed on."""
        vain = self.passed - self._shown
        trials = vain + self.withheld
        return Interval(vain / trials if trials else 0.0, *wilson(vain, trials))

    @property
    def _shown(self) -> float:
        """Of all frames that were passed on, how many show a target."""
        return self.passed * self.shown / self.looked if self.looked else 0.0

    def _of_shown(self, rate: float) -> float:
        missed = rate * self.withheld
        return missed / (missed + self._shown) if missed else 0.0
