"""Whether a pipeline knows more of the reference than it asked for: then its scores are void."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vidpipe.accuracy.series import Answers, Boxes, Series

# As results files have them: in coarser steps they would be rounded twice, and many a copied answer look changed.
_PX = 0.01
_SCORE = 1e-4


def leaked(published: Answers, truth: Series, asked: int) -> int:
    """How many answers of the reference were published that the pipeline cannot have got by asking its model.

    A detector's boxes are real numbers that depend on every pixel: two pictures that differ do not give the same boxes
    to a hundredth of a pixel, nor do two models, nor one model at two sizes. So of the reference's answers a pipeline
    can repeat no more, each on its own frame, than it asked the reference's model for; what goes beyond was copied.

    It is safe for honest pipelines. Answers are counted once however many frames they stand for: one look, held over
    equal pictures, repeats them all. Empty answers do not count, as anybody can say that there is nothing. A box on the
    verge of two hundredths may be rounded to either side: then an answer goes uncounted, never one too many.

    Args:
        published: by the pipeline.
        truth: the reference, on the same frames, cut at the same thresholds.
        asked: how many frames the reference's own model was asked for in that run, audits included.
    """
    ours, theirs = (_by_frame(boxes, truth.frames) for boxes in (published.series.boxes, truth.boxes))
    repeated = {our for our, their in zip(ours, theirs, strict=True) if our and our == their}
    return max(0, len(repeated) - asked)


def _by_frame(boxes: Boxes, frames: int) -> list[bytes]:
    """The answer to each frame: class, edges and score in whole steps, in an order that tells nothing."""
    values = np.column_stack([boxes.xyxy.astype(np.float64) / _PX, boxes.score.astype(np.float64) / _SCORE])
    rows = np.column_stack([boxes.frame, boxes.label, np.rint(values).astype(np.int64)])
    rows = rows[np.lexsort(rows.T[::-1])]
    borders = np.searchsorted(rows[:, 0], np.arange(frames + 1)).tolist()
    return [rows[low:high, 1:].tobytes() for low, high in pairwise(borders)]
