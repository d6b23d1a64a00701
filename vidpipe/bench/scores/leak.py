"""Whether a pipeline knows more of the reference than it asked for: then its scores are void."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.series import Answers, Boxes, Series

# As results files have them: in coarser steps they would be rounded twice, and many a copied answer look changed.
_PX = 0.01
_SCORE = 1e-4


def leaked(published: Answers, truth: Series, asked: int) -> int:
    """How many answers of the reference were published that the pipeline cannot have got by asking its model.

    A detector's boxes are real numbers that depend on every pixel: two pictures that differ do not give the same boxes
    to a hundredth of a pixel, nor do two models, nor one model at two sizes. So of the reference's answers a pipeline
    can repeat no more, each on its own frame, than it asked the reference's model for; what goes beyond was copied, be
    it by a stage that reads the cache of the reference, or one that was tested on what it was made from.

    It is safe for honest pipelines. Answers are counted once however many frames they stand for: where nothing changes,
    not even the noise, equal pictures give the reference equal answers, and one look, held, repeats them all. Empty
    answers do not count, as anybody can say that there is nothing. Both sides are rounded to what results files hold,
    where a box on the verge of two hundredths may fall to either side: then an answer goes uncounted, never one too
    many.

    Args:
        published: by the pipeline.
        truth: the reference, on the same frames, cut at the same thresholds.
        asked: how many frames the reference's own model was asked for in that run, audits included.

    Returns:
        0 where all is well.
    """
    ours, theirs = _rounded(published.series.boxes), _rounded(truth.boxes)
    frames = np.arange(truth.frames + 1)
    our_borders, their_borders = (np.searchsorted(rows[:, 0], frames).tolist() for rows in (ours, theirs))
    repeated = set()
    for our, their in zip(pairwise(our_borders), pairwise(their_borders), strict=True):
        answer = ours[slice(*our), 1:].tobytes()
        if answer and answer == theirs[slice(*their), 1:].tobytes():
            repeated.add(answer)
    return max(0, len(repeated) - asked)


def _rounded(boxes: Boxes) -> NDArray[np.int64]:
    """Rows of frame, class, edges and score, in whole steps of what is told apart; in an order that tells nothing."""
    steps = np.rint(np.column_stack([boxes.xyxy.astype(np.float64) / _PX, boxes.score.astype(np.float64) / _SCORE]))
    rows = np.column_stack([boxes.frame, boxes.label, steps.astype(np.int64)])
    order = np.lexsort(rows.T[::-1])
    return rows[order]
