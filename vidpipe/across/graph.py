"""The camera graph: where who leaves a camera is seen next, and how long that takes.

After ReXCam (Jain et al., SEC 2020): S(a, b) is the share of those leaving `a` who are seen next on `b`, T(a, b) the
time that it takes them. A path that nobody has taken yet has a prior: as if a few had left each camera, evenly for all
of them and for out of sight. So where little is known all paths are likely, and as observations fade they are so again.

The paper cuts the times at quantiles of what was seen, and takes shares as they were counted. Here both have intervals:
a window ends where a tail that is estimated from so many may end, and what is seen outside of windows is the upper end
of its interval. So few observations give wide bounds, and many give those of the paper.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.statistics.wilson import wilson

HALF_LIFE_S = 7 * 86400.0
HORIZON_S = 600.0
OUTSIDE = 0.04  # share of those who take a path whose time may lie outside of its window, half of it on each side
_CONFIDENCE = 0.95
ONE_SIDED = 1.645  # deviations that as much of a normal distribution lies under
_LEAST_MARGIN_S = 1.0  # tracks begin and end about so exactly
_FORGOTTEN = 1e-9  # a weight that is none
_PRIOR = 3.0  # how many have left a camera before the first one: evenly to all cameras, and out of sight


class Transition(NamedTuple):
    """Somebody has left a camera.

    Attributes:
        begin: camera that was left; `end`: where the subject was seen next, None: nowhere within the horizon.
        at: UTC seconds at which it was left.
        took_s: seconds until it was seen again, less than 0 where two cameras saw it at the same time.
    """

    begin: str
    end: str | None
    at: float
    took_s: float = 0.0


class Window(NamedTuple):
    """Seconds after a camera was left, from the first to the last."""

    start_s: float
    end_s: float

    def looser(self, times: float) -> Window:
        """The same one, so many times as long to both sides."""
        longer = (self.end_s - self.start_s) * (times - 1) / 2
        return Window(self.start_s - longer, self.end_s + longer)


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a camera to another one, or back to the same.

    Attributes:
        share: S, of those who left; `low`, `high`: its 95 % interval (Wilson, of as many as the faded ones are worth).
        count: observations, faded ones as well.
        likely: the share with its prior, by which cameras are searched.
        window: T, seconds between which the time of the next one lies but for `OUTSIDE`; the whole horizon where
            nobody has been observed.
    """

    begin: str
    end: str
    share: float
    low: float
    high: float
    likely: float
    count: int
    window: Window

    def as_json(self) -> dict[str, object]:
        """As `vidpipe cameras graph --json` and the API have it."""
        return {
            "from": self.begin,
            "to": self.end,
            "share": round(self.share, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "count": self.count,
            "earliest_s": round(self.window.start_s, 1),
            "latest_s": round(self.window.end_s, 1),
        }


@dataclass(slots=True)
class _Left:
    """Who has left one camera: total weight, of its squares, how many, and by camera the (times, weights)."""

    weight: float = 0.0
    squares: float = 0.0
    count: int = 0
    taken: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


class CameraGraph:
    """What transitions say of the ways between cameras.

    Args:
        cameras: all that there are, also those that nobody has passed.
        transitions: in any order.
        now: UTC seconds from which their age counts.
        half_life_s: age at which an observation counts half.
        horizon_s: longest time that a way may take.
    """

    def __init__(
        self,
        cameras: Collection[str],
        transitions: Iterable[Transition],
        now: float,
        *,
        half_life_s: float = HALF_LIFE_S,
        horizon_s: float = HORIZON_S,
    ) -> None:
        self.cameras = sorted(cameras)
        self.horizon_s = horizon_s
        self._left: defaultdict[str, _Left] = defaultdict(_Left)
        for begin, end, at, took_s in transitions:
            weight = 0.5 ** (max(0.0, now - at) / half_life_s)
            left = self._left[begin]
            left.weight += weight
            left.squares += weight * weight
            left.count += 1
            if end is not None:
                left.taken[end].append((took_s, weight))

    def left(self, camera: str) -> int:
        """How many were observed to leave a camera."""
        return self._left[camera].count if camera in self._left else 0

    def path(self, begin: str, end: str) -> Path:
        """What is known of a path; also of one that nobody has taken."""
        left = self._left.get(begin, _Left())
        taken = left.taken.get(end, [])
        share = sum(weight for _, weight in taken) / left.weight if left.weight > 0 else 0.0
        worth = left.weight * left.weight / left.squares if left.squares > 0 else 0.0
        # Faded, all of them are worth no more than their weights: what was seen long ago is known less surely.
        worth = min(worth, left.weight)
        low, high = wilson(share * worth, worth)
        likely = (share * left.weight + _PRIOR / (len(self.cameras) + 1)) / (left.weight + _PRIOR)
        return Path(begin, end, share, low, high, likely, len(taken), self._window(taken))

    def sure(self, least_share: float) -> list[Path]:
        """The paths from a camera to another one of which both is known, with 95 % confidence: that so many of those
        who leave take them, and a time after which they have arrived.
        """
        found = (path for path in self.paths() if path.begin != path.end)
        return [path for path in found if path.low >= least_share and path.window.end_s < self.horizon_s]

    def paths(self, *, least_count: int = 1) -> list[Path]:
        """All that were observed so often, the most frequent of each camera first."""
        found = [self.path(begin, end) for begin in self.cameras for end in self.cameras]
        return sorted(
            (path for path in found if path.count >= least_count),
            key=lambda path: (path.begin, -path.share, path.end),
        )

    def windows(self, begin: str, least_share: float, looser: float = 1.0) -> Mapping[str, Window]:
        """On which cameras, and when, somebody who left one may be seen next.

        Args:
            least_share: cameras are left out whose share is less, its prior included.
            looser: how many times as long as observed the windows are.

        Returns:
            By camera, seconds since `begin` was left; never before that by more than was observed, and no longer than
            the horizon.
        """
        found = {}
        for end in self.cameras:
            path = self.path(begin, end)
            if path.likely >= least_share:
                start_s, end_s = path.window.looser(looser)
                found[end] = Window(min(max(start_s, 0.0), path.window.start_s), min(end_s, self.horizon_s))
        return found

    def beyond(self, begin: str, windows: Mapping[str, Window]) -> float:
        """The share, 0..1, of those who leave a camera and are seen next outside of these windows, at most.

        It is more than that with a chance of 5 % (Wilson, one-sided): 1 where nobody was observed to leave it.
        """
        left = self._left.get(begin, _Left())
        missed = sum(
            weight
            for end, taken in left.taken.items()
            for took_s, weight in taken
            if end not in windows or not windows[end].start_s <= took_s <= windows[end].end_s
        )
        return wilson(missed, left.weight, ONE_SIDED)[1]

    def _window(self, taken: list[tuple[float, float]]) -> Window:
        taken = [(took_s, weight) for took_s, weight in sorted(taken) if weight > _FORGOTTEN]
        if not taken:
            return Window(0.0, self.horizon_s)
        times, weights = np.array(taken).T
        start_s = -_edge(-times[::-1], weights[::-1]) - _LEAST_MARGIN_S
        end_s = _edge(times, weights) + _LEAST_MARGIN_S
        # Nobody arrives before leaving by more than was observed.
        return Window(max(start_s, min(0.0, float(times[0]) - _LEAST_MARGIN_S)), min(end_s, self.horizon_s))


def _edge(times: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The time after which no more than half of `OUTSIDE` come, as did no more; infinite where few are known.

    From the median on the times are taken as exponential: tails of most distributions are so, or thinner (peaks over
    a threshold, Pickands 1975). Its scale is the upper end of its interval, by the chi-square distribution.

    Args:
        times: seconds, in order, [n].
        weights: of each, [n].
    """
    from scipy.special import chdtri

    reached = np.cumsum(weights) / weights.sum()
    middle, last = np.searchsorted(reached, (0.5, 1 - OUTSIDE / 2 - 1e-9)).clip(0, len(times) - 1).tolist()
    above, of = times[middle + 1 :], weights[middle + 1 :]
    freedom = 2 * min(of.sum(), of.sum() ** 2 / (of**2).sum()) if len(of) else 0.0
    least = chdtri(freedom, _CONFIDENCE) if freedom else 0.0
    if not least:
        return np.inf
    scale = float((above - times[middle]) @ of / of.sum() * freedom / least)
    return max(float(times[middle]) + scale * math.log(1 / OUTSIDE), float(times[last]))
