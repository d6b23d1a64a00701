"""Average precision of scored boxes, as COCO has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.scores.matching import match_known
from vidpipe.accuracy.series import Series

_RECALLS = np.linspace(0, 1, 101)


def ap50(predictions: Series, truth: Series) -> dict[str, float | None]:
    """Average precision at IoU 0.5 of each class; None where it has no wanted box that counts.

    It is pycocotools' COCOeval: the mean, over recalls of 0, 0.01 ... 1, of the best precision at that recall or more.
    Boxes of all sizes count, and as many a frame as there are (COCO: 100). Boxes that match an ignored one are left
    out, and so are frames that `truth` does not know. It needs `predictions` with scores, cut nowhere: what is cut at a
    threshold can never reach the recalls below it.
    """
    predicted_boxes, truth_boxes, matches = match_known(predictions, truth)
    counts = ~truth_boxes.ignored
    right, left_out = np.zeros((2, len(predicted_boxes)), bool)
    right[matches.predictions] = counts[matches.truth]
    left_out[matches.predictions] = ~counts[matches.truth]
    precision = {}
    for label, name in enumerate(truth.classes):
        there = int((counts & (truth_boxes.label == label)).sum())
        rows = np.flatnonzero((predicted_boxes.label == label) & ~left_out)
        best_first = rows[np.argsort(-predicted_boxes.score[rows], kind="stable")]
        precision[name] = _average(right[best_first], there) if there else None
    return precision


def _average(right: NDArray[np.bool_], there: int) -> float:
    """Of boxes in falling order of score, and how many are to be found."""
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)  # 0 at a recall that is never reached
    return float(best[np.searchsorted(found / there, _RECALLS)].mean())
