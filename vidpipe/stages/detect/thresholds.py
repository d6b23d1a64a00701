"""Thresholds by class, learnt on the stream, above which a wanted share of answers agrees with a better model.

Park et al. (CODES+ISSS 2015) accept a little network's answer where its score margin is large, and choose the
threshold at design time. Here it is learnt from frames that both models have looked at. The margin of a box is the
distance of its score from the score that makes it count; of a class in a frame, the least of its boxes'.

Classes are tied together by the risk that they are taken at: for each class the least margin above which no more than
that share of its frames disagreed. Of some levels of risk, up to the disagreement that is allowed, the highest is
taken at which Wilson's lower bound for whole frames still reaches the wanted share. So each class is as good as wanted
by estimate, and the frames together by more than estimate; a class of which nothing is known is trusted at no margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.statistics.wilson import wilson

Z = 2.0  # one-sided 97.7 %: a little more than 95, for choosing among several levels
LEVELS = 12
_STRICTEST = 1 / 16  # of the disagreement that is allowed


class Evidence(NamedTuple):
    """What was found out about one frame.

    Attributes:
        margins: least margin of each class that was seen in it.
        agrees: whether the answer agrees with the better model's.
        wrong: the classes that by themselves do not.
        weight: how many frames it stands for: one over the chance that a frame like it is looked into.
    """

    margins: Mapping[int, float]
    agrees: bool
    wrong: frozenset[int]
    weight: float


def needed(wanted: float) -> int:
    """How many frames that all agree are the fewest from which anything can follow."""
    return int(np.ceil(Z * Z * wanted / max(1 - wanted, 1e-6)))


def accepts(thresholds: Mapping[int, float] | None, margins: Mapping[int, float]) -> bool:
    """Whether every class that was seen has its margin; nothing is accepted without thresholds."""
    if thresholds is None:
        return False
    return all(margin >= thresholds.get(label, np.inf) for label, margin in margins.items())


def fit(evidence: Sequence[Evidence], wanted: float) -> dict[int, float] | None:
    """The lowest thresholds by class that hold the wanted share; None where none are known to.

    Args:
        evidence: of frames that are no nearer to each other than independence takes.
        wanted: share of accepted frames that agree, 0..1.
    """
    if len(evidence) < needed(wanted):
        return None
    labels = sorted({label for one in evidence for label in one.margins})
    margins = np.array([[one.margins.get(label, np.inf) for label in labels] for one in evidence], float)
    margins = margins.reshape(len(evidence), len(labels))
    agrees = np.array([one.agrees for one in evidence])
    weights = np.array([one.weight for one in evidence], float)
    wrong = np.array([[label in one.wrong for label in labels] for one in evidence], bool).reshape(margins.shape)
    curves = [_Curve(margins[:, i], wrong[:, i], weights) for i in range(len(labels))]
    for level in (1 - wanted) * np.geomspace(1, _STRICTEST, LEVELS):
        least = np.array([curve.least(level) for curve in curves])
        accepted = (margins >= least).all(axis=1)
        if _lower_bound(agrees[accepted], weights[accepted]) >= wanted:
            return {label: float(margin) for label, margin in zip(labels, least, strict=True) if np.isfinite(margin)}
    return None


class _Curve:
    """Of one class: which share of the frames above each margin it was wrong in, of those in which it was seen."""

    def __init__(self, margins: NDArray[np.float64], wrong: NDArray[np.bool_], weights: NDArray[np.float64]) -> None:
        seen = np.flatnonzero(np.isfinite(margins))
        order = seen[np.argsort(-margins[seen], kind="stable")]
        self._margins = margins[order]
        # Half a frame wrong of one more: a few that are right are no proof (Jeffreys' prior).
        self._risk = (np.cumsum(weights[order] * wrong[order]) + 0.5) / (np.cumsum(weights[order]) + 1)
        # Frames of one margin are accepted together or not at all.
        self._risk[:-1][self._margins[1:] == self._margins[:-1]] = np.inf

    def least(self, level: float) -> float:
        """The least margin above which the share is at most this; infinite where there is none."""
        within = np.flatnonzero(self._risk <= level)
        return float(self._margins[within[-1]]) if len(within) else np.inf


def _lower_bound(agrees: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """Of the weighted share that agrees, with as many trials as weights so unequal are worth (Kish 1965)."""
    total = weights.sum()
    if not total:
        return 0.0
    trials = float(total**2 / (weights**2).sum())
    return wilson(trials * float(weights[agrees].sum() / total), trials, Z)[0]
