"""What answers of a configuration are worth, held against the reference: of boxes, of presence, or of counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.scores.box_score import count
from vidpipe.accuracy.scores.presence import pairs, runs
from vidpipe.accuracy.series import Series
from vidpipe.sources.base import Want
from vidpipe.statistics.blocks import Estimate, blocks_of, estimate


def evidence(
    found: Sequence[Series],
    truth: Sequence[Series],
    want: Want = "boxes",
    where: Sequence[NDArray[np.bool_]] | None = None,
) -> Estimate:
    """How far answers agree with the reference, with bounds from independent stretches of time.

    Args:
        found, truth: of each stretch of footage.
        want: boxes: F1 at IoU 0.5; presence: F1 of runs of presence; count: 1 less the relative error by class.
        where: the frames of each that count, bool [frames]; None: all.
    """
    parts = [counted(one, other, want) for one, other in zip(found, truth, strict=True)]
    hits, trials = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    first = np.cumsum([0, *(int(blocks_of(series.pts)[-1]) + 1 for series in truth[:-1])])
    block = np.concatenate([start + blocks_of(series.pts) for start, series in zip(first, truth, strict=True)])
    if where is not None:
        counts = np.concatenate(list(where))
        return estimate(hits[counts], trials[counts], block[counts])
    return estimate(hits, trials, block)


def counted(found: Series, truth: Series, want: Want) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hits and trials of each frame, whose sums have the score as their ratio."""
    if want == "presence":
        return _presence(found, truth)
    counts = count(found, truth)
    right, false, missed = (part.sum(axis=0).astype(float) for part in counts)
    if want == "boxes":
        return 2 * right, 2 * right + false + missed
    seen = (counts.tp + counts.fn).astype(float)
    off = np.abs(counts.fp - counts.fn).astype(float)
    return (seen - off).sum(axis=0), seen.sum(axis=0)


def _presence(found: Series, truth: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each run counts where it begins."""
    hits, trials = np.zeros(truth.frames), np.zeros(truth.frames)
    for sides in runs(found, truth, {}).values():
        for run in (*sides.found, *sides.wanted):
            trials[_frame(truth, run.begin_s)] += 1
        for pair in pairs(sides.found, sides.wanted):
            for run in pair:
                hits[_frame(truth, run.begin_s)] += 1
    return hits, trials


def _frame(series: Series, pts: float) -> int:
    return int(np.clip(np.searchsorted(series.pts, pts - 1e-6), 0, series.frames - 1))
