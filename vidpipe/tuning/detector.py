"""Fitting the difference detector to footage (NoScope, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidpipe.stages.difference.scorer import Scorer, fit, usual
from vidpipe.stages.gate.split import borders, evenly
from vidpipe.tuning.footage import NEAR_S, Footage, away

FOLDS = 5
MOST_ROWS = 4000  # pictures of each kind that the regression is fitted to


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """What the blocks of a scene mean, and how well that holds on visits that it was not fitted to.

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
    """Fit to all footage, and once more without each stretch of time, to score that. Takes two visits at least."""
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
    """Stretches of time with as many visits each, borders in the middle between two: int64 [frames]."""
    visits = np.arange(footage.visits)
    parts = np.array_split(visits, min(FOLDS, len(visits)))
    block = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    fold: NDArray[np.int64] = np.searchsorted(borders(footage.pts, footage.visit, block), footage.pts)
    return fold


def _fitted(footage: Footage, rows: NDArray[np.bool_]) -> Scorer:
    still = np.flatnonzero(quiet(footage) & rows)
    things = np.flatnonzero(footage.present & footage.known & rows)
    level = usual(footage.residuals[still])
    chosen = np.concatenate([evenly(still, MOST_ROWS), evenly(things, MOST_ROWS)])
    return fit(footage.residuals[chosen], footage.present[chosen], level)
