"""A regularised logistic regression, its strength and threshold chosen on examples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.transforms.learnt.classifier import Scorer
from vidpipe.transforms.learnt.smoothing import Smoothing

Vector = NDArray[np.float64]

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Of the penalty, strongest first: of equals the strongest is taken."""

_FOLDS = 5
_LEAST_SCALE = 1e-3  # of a feature that hardly varies: it must not explode where it does, later on
_MOST_SHARE = 0.1  # of the way between the middle scores of yes and no, that lies between both thresholds


@dataclass(frozen=True, slots=True)
class Shown:
    """An example with what is known of it.

    Attributes:
        order: rank of its recording.
        stream: of it.
        windows: [looks, features] of those within it, in order; `pts`: their media seconds.
    """

    order: int
    stream: str
    begin: float
    end: float
    yes: bool
    windows: Vector
    pts: Vector


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which log-odds on a look says yes, under which no; and how examples came out that were not fitted to."""

    begin: float
    end: float
    right_yes: int
    right_no: int


def fit(shown: Sequence[Shown], strength: float) -> Scorer:
    """Fit weights; each example counts the same within its class, and both classes do.

    Args:
        strength: of the penalty on squared weights.
    """
    from scipy.optimize import minimize  # takes 0.2 s to import

    windows = np.concatenate([each.windows for each in shown])
    yes = np.concatenate([np.full(len(each.windows), each.yes) for each in shown])
    weight = np.concatenate([np.full(len(each.windows), 1 / len(each.windows)) for each in shown])
    for value in (True, False):
        weight[yes == value] *= 0.5 / weight[yes == value].sum()
    mean = weight @ windows
    scale = np.sqrt(weight @ (windows - mean) ** 2)
    scale = np.where(scale < _LEAST_SCALE, 1.0, scale)
    standard = Scorer(mean, scale, np.zeros_like(mean), 0.0).standard(windows)
    sign = np.where(yes, 1.0, -1.0)

    def loss(theta: Vector) -> tuple[float, Vector]:
        margin = sign * (standard @ theta[:-1] + theta[-1])
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = weight @ np.logaddexp(0, -margin) + strength / 2 * theta[:-1] @ theta[:-1]
        return float(value), np.append(standard.T @ slope + strength * theta[:-1], slope.sum())

    found: Any = minimize(loss, np.zeros(windows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return Scorer(mean, scale, found.x[:-1], float(found.x[-1]))


def without_neighbours(shown: Sequence[Shown], held: Sequence[Shown], window_s: float) -> list[Shown]:
    """Examples without the looks whose window reaches into one that is held back, or whose frames that one sees."""
    kept = []
    for each in shown:
        near = [one for one in held if (one.order, one.stream) == (each.order, each.stream)]
        apart = np.ones(len(each.pts), bool)
        for one in near:
            apart &= (each.pts < one.begin - window_s) | (each.pts - window_s > one.end)
        if apart.any():
            part = Shown(each.order, each.stream, each.begin, each.end, each.yes, each.windows[apart], each.pts[apart])
            kept.append(part)
    return kept


def held_out_scores(shown: Sequence[Shown], strength: float, window_s: float) -> list[Vector]:
    """Of each example the scores of its looks by weights that were fitted to others, of other times.

    Args:
        shown: in order of time.
    """
    scores: list[Vector] = [np.zeros(len(each.windows)) for each in shown]
    edges = np.linspace(0, len(shown), min(_FOLDS, len(shown)) + 1).round().astype(int)
    for start, end in pairwise(edges):
        held = shown[start:end]
        rest = without_neighbours([*shown[:start], *shown[end:]], held, window_s)
        if len({each.yes for each in rest}) < 2:
            continue
        fitted = fit(rest, strength)
        for number in range(start, end):
            scores[number] = fitted.scores(shown[number].windows)
    return scores


def loss(shown: Sequence[Shown], scores: Sequence[Vector]) -> float:
    """Mean logarithmic loss of looks by these scores; each example counts the same within its class, and both do."""
    total = 0.0
    for value in (True, False):
        own = [of for each, of in zip(shown, scores, strict=True) if each.yes == value]
        total += float(np.mean([np.logaddexp(0, -of if value else of).mean() for of in own]))
    return total / 2


def thresholds(shown: Sequence[Shown], scores: Sequence[Vector], k: int, n: int) -> Thresholds:
    """Those by which most examples come out right, smoothed as they will be; both classes count the same."""
    yes = np.concatenate([of for each, of in zip(shown, scores, strict=True) if each.yes])
    no = np.concatenate([of for each, of in zip(shown, scores, strict=True) if not each.yes])
    apart = max(float(np.median(yes) - np.median(no)), 0.0) * _MOST_SHARE
    every = np.unique(np.concatenate([yes, no]))
    middles = (every[1:] + every[:-1]) / 2 if len(every) > 1 else every
    if len(middles) > 200:
        middles = np.quantile(middles, np.linspace(0, 1, 200))
    best: list[tuple[float, Thresholds]] = []
    count = sum(each.yes for each in shown), sum(not each.yes for each in shown)
    for begin in middles.tolist():
        end = begin - apart
        said = [is_told(of, begin, end, k, n) for of in scores]
        right = [one == each.yes for one, each in zip(said, shown, strict=True)]
        right_yes = sum(ok for ok, each in zip(right, shown, strict=True) if each.yes)
        right_no = sum(ok for ok, each in zip(right, shown, strict=True) if not each.yes)
        best.append((right_yes / count[0] + right_no / count[1], Thresholds(begin, end, right_yes, right_no)))
    most = max(value for value, _ in best)
    plateau = [found for value, found in best if value >= most - 1e-9]
    return plateau[len(plateau) // 2]


def is_told(scores: Vector, begin: float, end: float, k: int, n: int) -> bool:
    """Whether an event is on at any of these looks."""
    smoothing = Smoothing(begin, end, k, n)
    return any(smoothing.look(score) for score in scores.tolist())
