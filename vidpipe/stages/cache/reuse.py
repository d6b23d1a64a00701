"""When an earlier answer may be reused: the neighbours agree (FoggyCache, section 4), and experience says so.

FoggyCache homogenises the k nearest neighbours and reuses only where they agree; it fixes how near is near by the
density of the data. Here the radius is learnt from what the real model says: of every miss the true answer is known
afterwards, and so whether the nearest entry would have been right (a label for nothing); hits are labelled by audits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vidpipe.statistics.wilson import bounds

NEIGHBOURS = 4  # that are asked
HOMOGENEITY = 0.75  # least share of them, within the radius, that agree with the nearest

_NEAR, _FAR = 256, 2048  # newest labels that count, inside the radius and outside, where few are near
_Z = 1.645  # 95 %, one-sided
_FEW, _EVERY = 128, 8  # with more labels than a few, only one in so many moves the radius: sorting costs a millisecond
_SLACK = 1e-6  # single precision tells no nearer


class Radius:
    """The largest distance up to which reuse agrees as often as wanted: by Wilson's lower bound, not by the mean.

    It starts closed. Labels are bounded: the newest inside the radius and the newest outside are kept apart, as hits
    are labelled by audits alone and would be drowned by misses. Inside, nearer ones are labelled less often than they
    come up, which makes the estimate cautious.

    Attributes:
        value: cosine distance; -1 while closed.
    """

    def __init__(self, wanted: float) -> None:
        self.value = -1.0
        self._wanted = wanted
        self._labels: list[tuple[float, bool]] = []
        self._learnt = 0

    def __contains__(self, distance: float) -> bool:
        return self.value >= 0 and distance <= self.value + _SLACK

    def learn(self, distance: float, agreed: bool) -> None:
        """Take up whether the answer of an entry at this distance was right."""
        self._labels.append((distance, agreed))
        self._learnt += 1
        if len(self._labels) > _FEW and self._learnt % _EVERY:
            return
        distances, agrees = (np.array(column, float) for column in zip(*self._labels, strict=True))
        order = np.argsort(distances, kind="stable")
        passing = np.flatnonzero(lower_bound(np.cumsum(agrees[order])) >= self._wanted)
        # Of equal distances all or none are inside: the last one decides.
        last = np.append(np.diff(distances[order]) > 0, True)
        passing = passing[last[passing]]
        self.value = float(distances[order][passing[-1]]) if len(passing) else -1.0
        self._trim()

    def _trim(self) -> None:
        room = {True: _NEAR, False: _FAR}
        kept = []
        for label in reversed(self._labels):
            near = label[0] in self
            room[near] -= 1
            if room[near] >= 0:
                kept.append(label)
        self._labels = kept[::-1]


def lower_bound(agreed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wilson's one-sided lower bound of the rate, after 1, 2, ... labels, from how many agreed so far: [n]."""
    trials = np.arange(1, len(agreed) + 1, dtype=float)
    return bounds(agreed / trials, trials, _Z)[0]


def homogeneous(agree: Callable[[int, int], bool], neighbours: Sequence[int]) -> bool:
    """Whether enough of the neighbours, nearest first, agree with the nearest."""
    first, *others = neighbours
    agreeing = 1 + sum(agree(first, other) for other in others)
    return agreeing >= HOMOGENEITY * len(neighbours)
