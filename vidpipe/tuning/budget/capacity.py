"""How much CPU a run may plan with: its budget, or less while others are busy on the machine or it takes more than
expected.

That live streams lose pictures tells that it is short. How much is left tells the machine: what the run takes and what
nobody takes. What others take is no evidence by itself, since they may only use what was left over.
"""

from __future__ import annotations

import math
import os
from collections import deque
from typing import NamedTuple

import psutil

from vidpipe.results.usage import tree_cpu_s

_SURE = 2  # times in a row that pictures are lost, before they count
_SAFE = 0.9  # share of what is left that is planned with
_LESS = 0.9  # times what the pictures that were not lost took, where enough seems to be left
_SETTLES_S = 6.0  # after less was planned with, until losses of late are new ones
_ANSWERS_S = 2.0  # the same of losses of this moment: what was under way is answered
_CALM_S = 5.0  # that more must be there before it is planned with, at first
_CALMEST_S = 80.0  # twice as long each time that it did not last, up to that
_LASTS_S = 20.0  # that it must have been there, to have lasted
_IDLE = 0.1  # share of the machine that nobody takes: then the run takes what it needs
_NEWEST = 0.1  # weight of the newest figure in how much more than expected that is
_DEARER = 1.1  # times the budget that a run may take
_DEAREST = 3.0  # times as much as expected that is believed


class Reading(NamedTuple):
    """CPU seconds so far, of the run and its processes, and of those that nobody took, with the number of cores."""

    cores: int
    ours_s: float
    idle_s: float


def machine() -> Reading:
    """What this machine tells of the cores that the process may use."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    every = psutil.cpu_times(percpu=True)
    cores = [every[core] for core in allowed if core < len(every)] if allowed else every
    idle_s = sum(core.idle + getattr(core, "iowait", 0.0) for core in cores)
    return Reading(len(cores), tree_cpu_s(), idle_s)


class Capacity:
    """What may be planned with, in CPU seconds a second as the plan counts them.

    Attributes:
        limit: now.
        left: what the machine had left for the run when it was asked last.

    Args:
        budget: CPU seconds a second; None: what there is.
        here: whether all of the run is on the machine that is asked; else only lost pictures tell.
    """

    def __init__(self, budget: float | None, *, here: bool = True) -> None:
        self._budget = math.inf if budget is None else budget
        self._here = here
        self.limit = self._budget
        self.left = math.inf
        self._before: tuple[float, Reading] | None = None
        self._dearer = 1.0
        self._short = 0
        self._lowered_at = -math.inf
        self._raised_at = -math.inf
        self._calm_s = _CALM_S
        self._offered: deque[tuple[float, float]] = deque()

    def look(self, at: float, now: Reading, needs: float, *, losing: float, lost: bool, paced: bool) -> str:
        """Take in how the run fares; why less may be planned with from now on, "" where that is not so.

        Args:
            at: seconds.
            needs: what the plan in force takes.
            losing: the share of their pictures that live streams lose at this moment; 0: too few to tell.
            lost: whether they did of late, over some seconds.
            paced: whether all streams come at their own pace: recordings take what they get.
        """
        before, self._before = self._before, (at, now)
        if before is None:
            self.limit = min(self.limit, float(now.cores)) if self._here else self.limit
            self._lowered_at = at
        if before is None or at <= before[0]:
            return ""
        seconds = at - before[0]
        ours, idle = ((new - old) / seconds for new, old in zip(now[1:], before[1][1:], strict=True))
        since_s = at - self._lowered_at
        short = (losing > 0 and since_s >= _ANSWERS_S) or (lost and since_s >= _SETTLES_S)
        self._short = self._short + 1 if short else 0
        settled = paced and self._here and since_s >= _SETTLES_S
        if settled and not lost and idle > _IDLE * now.cores and needs > 0:
            self._dearer += _NEWEST * (min(max(1.0, ours / needs), _DEAREST) - self._dearer)
        self.left = min(ours + idle, float(now.cores)) if self._here else math.inf
        # What the run takes now is what its plan needs, whatever that is in seconds; nobody's time comes on top.
        more = _SAFE * (needs + idle / self._dearer) if self._here else math.inf
        offer = min(more, self._budget / self._dearer)
        self._offered.append((at, self.limit if lost or losing > 0 else offer))
        while len(self._offered) > 1 and self._offered[1][0] <= at - self._calm_s:
            self._offered.popleft()
        if self._short >= _SURE:
            self._lower(at, min(_SAFE * self.left / self._dearer, _LESS * (1 - losing) * needs))
            left = f", and {self.left:.2g} of {now.cores} cores are left for the run" if self._here else ""
            return f"live streams lose pictures{left}"
        if settled and needs * self._dearer > _DEARER * self._budget:
            self._lower(at, self._budget / self._dearer)
            return f"the streams take {self._dearer:.2g} times as much as expected"
        return ""

    def offer(self, at: float) -> float | None:
        """What could have been planned with for a while; None: it was not the same for long enough."""
        if not self._offered or self._offered[0][0] > at - self._calm_s:
            return None
        return min(offered for _, offered in self._offered)

    def take(self, at: float, limit: float) -> None:
        """Plan with more from now on."""
        self.limit, self._raised_at = limit, at
        self._offered.clear()

    def _lower(self, at: float, limit: float) -> None:
        if at - self._raised_at <= _LASTS_S:
            self._calm_s = min(2 * self._calm_s, _CALMEST_S)
        elif at - self._lowered_at > _LASTS_S:
            self._calm_s = _CALM_S
        self.limit = limit
        self._lowered_at, self._raised_at = at, -math.inf
        self._short = 0
        self._offered.clear()
