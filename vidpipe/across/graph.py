"""The camera graph: where who leaves a camera is seen next, and how long that takes.

After ReXCam (Jain et al., SEC 2020): S(a, b) is the share of those leaving `a` who are seen next on `b`, T(a, b) the
time that it takes them. A path that nobody has taken yet has a prior: as if a few had left each camera, evenly for all
of them and for out of sight. So where little is known all paths are likely, and as observations fade they are so again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vidpipe.statistics.wilson import wilson

HALF_LIFE_S = 7 * 86400.0
HORIZON_S = 600.0
LATEST = 0.98  # quantile of the times at which the window of a path ends
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
        window: T, from the shortest to the 98 % quantile, wider by the longest over `count`; the whole horizon where
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
        """The share, 0..1, of those who leave a camera and are seen next outside of these windows, prior included."""
        left = self._left.get(begin, _Left())
        missed = sum(
            weight
            for end, taken in left.taken.items()
            for took_s, weight in taken
            if end not in windows or not windows[end].start_s <= took_s <= windows[end].end_s
        )
        unsearched = sum(camera not in windows for camera in self.cameras) / (len(self.cameras) + 1)
        return (missed + _PRIOR * unsearched) / (left.weight + _PRIOR)

    def _window(self, taken: list[tuple[float, float]]) -> Window:
        taken = [(took_s, weight) for took_s, weight in sorted(taken) if weight > _FORGOTTEN]
        if not taken:
            return Window(0.0, self.horizon_s)
        times, weights = np.array(taken).T
        reached = np.cumsum(weights) / weights.sum()
        latest = float(times[min(int(np.searchsorted(reached, LATEST - 1e-9)), len(times) - 1)])
        # The next one of n lies outside of their range in two of n + 1 cases.
        margin = max(_LEAST_MARGIN_S, float(np.abs(times).max()) / len(times))
        earliest = float(times[0])
        start_s = max(0.0, earliest - margin) if earliest >= 0 else earliest - margin
        return Window(start_s, latest + margin)
