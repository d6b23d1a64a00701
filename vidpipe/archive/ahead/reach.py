"""How far apart looks may be, so that the answers of a recording hold a floor of accuracy.

Two kinds of evidence come of looks that are made anyway. A look tells how wrong its frame would have been without it,
filled from its neighbours: that is the error in the middle of a gap twice as long. And now and then a frame in a gap is
looked at by chance: that is the error that the floor is about, the mean over all frames of a gap, but it costs a look.
There are many of the first kind and few of the second, so the mean error is estimated as the first times the ratio of
both (a ratio estimator: Cochran, Sampling Techniques, 1977, chapter 6).
"""

from __future__ import annotations

from collections import deque

import numpy as np

from vidpipe.statistics.agreement import Matched

_KEPT = 24  # newest samples: what was so much earlier says little of now
_LEAST = 4  # of them between two changes: fewer say nothing of how much they differ
_APART_S = 0.25  # looks that are nearer in time say the same thing twice: they make one sample
_GROWS = 0.7  # power of the time to the nearer look that errors grow with
_RATIO = 0.5  # of the mean error within a gap to the one in the middle of a gap twice as long, until chance looks tell
_PRIOR = 4.0  # wrong boxes that weighs
_CAUTION = 0.5  # standard errors that a gap keeps from the floor
_MOST, _FEWEST = 1.5, 0.6  # times as long as before a gap becomes at once, and at least


class Reach:
    """The frames between two looks.

    Args:
        floor: the F1 to hold.
        frames: between looks to begin with.

    Attributes:
        frames: between two looks, at the moment.
    """

    def __init__(self, floor: float, frames: float) -> None:
        self.frames = max(1.0, frames)
        self._floor = floor
        self._kept: deque[tuple[float, float, float, float]] = deque(maxlen=_KEPT)  # pts, distance, wrong, boxes
        self._since = 0
        self._expected, self._found = _PRIOR, _PRIOR * _RATIO

    def learn(self, pts: float, distance: float, matched: Matched, longest: float) -> None:
        """A look has been held against what its neighbours say.

        Args:
            pts: media seconds of it.
            distance: frames to the nearer of these.
            longest: frames between looks, at most.
        """
        if not matched.boxes or distance <= 0:
            return
        wrong = matched.boxes - 2.0 * matched.right
        if self._kept and 0 <= pts - self._kept[-1][0] < _APART_S:
            before = self._kept.pop()
            self._kept.append((before[0], (before[1] + distance) / 2, before[2] + wrong, before[3] + matched.boxes))
        else:
            self._kept.append((pts, distance, wrong, float(matched.boxes)))
            self._since += 1
        if self._since >= _LEAST:
            self._adapt(longest)

    def learn_by_chance(self, matched: Matched) -> None:
        """A frame within a gap was looked at by chance, and held against what was to be said of it."""
        if matched.boxes and len(self._kept) >= _LEAST:
            self._expected += self._error()[0] * matched.boxes
            self._found += matched.boxes - 2.0 * matched.right

    @property
    def ratio(self) -> float:
        """Of the mean error within a gap to the one in the middle of a gap twice as long."""
        return min(1.0, self._found / self._expected)

    def _adapt(self, longest: float) -> None:
        error, spread = self._error()
        mean = self.ratio * (error + _CAUTION * spread)
        factor = ((1 - self._floor) / max(mean, 1e-6)) ** (1 / _GROWS)
        frames = min(max(self.frames * min(max(factor, _FEWEST), _MOST), 1.0), max(1.0, longest))
        if frames != self.frames:
            self.frames, self._since = frames, 0

    def _error(self) -> tuple[float, float]:
        """In the middle of a gap twice as long as the present one, and the standard error of that."""
        rows = np.array(self._kept)
        wrong = rows[:, 2] * (self.frames / rows[:, 1]) ** _GROWS
        boxes = rows[:, 3].sum()
        rate = float(min(1.0, wrong.sum() / boxes))
        off = wrong - rate * rows[:, 3]
        samples = len(rows)
        return rate, float(np.sqrt((off**2).sum() * samples / max(1, samples - 1)) / boxes)
