"""Fitting the difference detector to footage (NoScope, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidpipe.background.scorer import Scorer, fit, usual
from vidpipe.tuning.footage import NEAR_S, Footage, away

FOLDS = 5
MOST_ROWS = 4000  # pictures of each kind that the regression is fitted to


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """What the blocks of a scene mean, and how well that holds on passages that it was not fitted to.

    Attributes:
        scorer: fitted to all of the footage.
        scores: float64 [frames] against the empty scene, each frame's by a fit to other stretches of time; NaN where
            there was nothing to compare with.
        pair_scores: float64 [pairs], likewise, of `Footage.pairs`.
    """

    scorer: Scorer
    scores: NDArray[np.float64]
    pair_scores: NDArray[np.float64]


def fit_detector(footage: Footage) -> Detector:
    """Fit to all footage, and once more without each stretch of time, to score that. Takes two passages at least."""
    fold = _folds(footage)
    scores = np.full(footage.frames, np.nan)
    pair_scores = np.full(len(footage.pairs.frame), np.nan)
    for number in np.unique(fold):
        here = fold == number
        scorer = _fitted(footage, ~here)
        scores[here & footage.known] = scorer.scores(footage.residuals[here & footage.known])
        pairs = here[footage.pairs.frame]
        pair_scores[pairs] = scorer.scores(footage.pairs.residuals[pairs])
    return Detector(_fitted(footage, np.ones(footage.frames, bool)), scores, pair_scores)


def quiet(footage: Footage) -> NDArray[np.bool_]:
    """Frames that are well away from anything, bool [frames]."""
    clear: NDArray[np.bool_] = footage.known & (away(footage.pts, footage.present) > NEAR_S)
    return clear


def _folds(footage: Footage) -> NDArray[np.int64]:
    """Stretches of time with as many passages each, borders in the middle between two: int64 [frames]."""
    passages = footage.passages
    count = min(FOLDS, passages)
    starts = np.array([footage.pts[footage.passage == one].min() for one in range(passages)])
    ends = np.array([footage.pts[footage.passage == one].max() for one in range(passages)])
    firsts = [len(part) for part in np.array_split(np.arange(passages), count)]
    changes = np.cumsum(firsts)[:-1]
    borders = (ends[changes - 1] + starts[changes]) / 2
    fold: NDArray[np.int64] = np.searchsorted(borders, footage.pts).astype(np.int64)
    return fold


def _fitted(footage: Footage, rows: NDArray[np.bool_]) -> Scorer:
    still = np.flatnonzero(quiet(footage) & rows)
    things = np.flatnonzero(footage.present & footage.known & rows)
    level = usual(footage.residuals[still])
    chosen = np.concatenate([_evenly(still), _evenly(things)])
    return fit(footage.residuals[chosen], footage.present[chosen], level)


def _evenly(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(rows) <= MOST_ROWS:
        return rows
    kept: NDArray[np.intp] = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(int)]
    return kept
