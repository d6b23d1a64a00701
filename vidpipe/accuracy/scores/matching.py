"""Which found box is which wanted one: pycocotools' greedy rule, for all frames of a stream."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.models.boxes import iou as iou_of
from vidpipe.models.boxes import over_first

_AT_ONCE = 16  # frames whose boxes are held against each other at once: what fits a processor's cache


class Matches(NamedTuple):
    """Rows of found and wanted boxes that belong together, ordered by `predictions`."""

    predictions: NDArray[np.intp]
    truth: NDArray[np.intp]


class Overlaps(NamedTuple):
    """Rows of found and wanted boxes of one frame and class that overlap, and how much; ordered by `predictions`."""

    predictions: NDArray[np.intp]
    truth: NDArray[np.intp]
    iou: NDArray[np.float64]


def match(predictions: Boxes, truth: Boxes, iou: float = 0.5) -> Matches:
    """Assign found boxes to wanted ones of the same frame and class.

    The rule is that of pycocotools' COCOeval: found boxes choose in falling order of score (equals in the order in
    which they stand). Each takes, of the wanted boxes that are still free, the one of highest IoU that is at least
    `iou` (of equals the last), and an ignored one only where none that counts is left to it. A wanted box is taken
    once, ignored or not; only a crowd stays free for ever, and there the intersection is held against the found box
    alone.

    Args:
        predictions: its `ignored` and `crowd` mean nothing here.
    """
    pairs = overlaps(predictions, truth, iou)
    turn = np.empty(len(predictions), np.intp)
    turn[np.argsort(-predictions.score, kind="stable")] = np.arange(len(predictions))
    by_choice = np.lexsort((-pairs.truth, -pairs.iou, truth.ignored[pairs.truth], turn[pairs.predictions]))
    partner = [-1] * len(predictions)
    free = [True] * len(truth)
    crowd = truth.crowd.tolist()
    for found, wanted in zip(pairs.predictions[by_choice].tolist(), pairs.truth[by_choice].tolist(), strict=True):
        if partner[found] < 0 and free[wanted]:
            partner[found] = wanted
            free[wanted] = crowd[wanted]
    partners = np.array(partner, np.intp)
    matched = np.flatnonzero(partners >= 0)
    return Matches(matched, partners[matched])


def overlaps(predictions: Boxes, truth: Boxes, iou: float) -> Overlaps:
    """All pairs of one frame and class whose IoU is at least this; for a crowd, the part of the found box in it."""
    parts = [Overlaps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for begin in range(0, int(truth.frame[-1]) + 1 if len(truth) else 0, _AT_ONCE):
        found, wanted = (_of_frames(boxes, begin, begin + _AT_ONCE) for boxes in (predictions, truth))
        same_frame = predictions.frame[found, None] == truth.frame[wanted]
        same_class = predictions.label[found, None] == truth.label[wanted]
        found_rows, wanted_rows = np.nonzero(same_frame & same_class)
        found_rows, wanted_rows = found_rows + found.start, wanted_rows + wanted.start
        overlap = _overlap(predictions.xyxy[found_rows], truth.xyxy[wanted_rows], truth.crowd[wanted_rows])
        enough = overlap >= iou
        parts.append(Overlaps(found_rows[enough], wanted_rows[enough], overlap[enough]))
    return Overlaps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def match_known(predictions: Series, truth: Series, iou: float = 0.5) -> tuple[Boxes, Boxes, Matches]:
    """Found and wanted boxes of the frames that `truth` knows, and how they match.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    if (predictions.frames, predictions.classes) != (truth.frames, truth.classes):
        raise ValueError(
            f"cannot compare {predictions.frames} frames of {', '.join(predictions.classes)} "
            f"with {truth.frames} frames of {', '.join(truth.classes)}"
        )
    predicted_boxes, truth_boxes = (boxes[truth.known[boxes.frame]] for boxes in (predictions.boxes, truth.boxes))
    return predicted_boxes, truth_boxes, match(predicted_boxes, truth_boxes, iou)


def that_count(predictions: Series, truth: Series) -> tuple[Boxes, Boxes]:
    """Found and wanted boxes of the frames that `truth` knows, without those that do not count.

    They are the ignored ones, and what was found there: as the MOT Challenge takes them out before it scores.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    predicted_boxes, truth_boxes, matches = match_known(predictions, truth)
    counts = np.ones(len(predicted_boxes), bool)
    counts[matches.predictions] = ~truth_boxes.ignored[matches.truth]
    return predicted_boxes[counts], truth_boxes[~truth_boxes.ignored]


def _of_frames(boxes: Boxes, begin: int, end: int) -> slice:
    first, behind = np.searchsorted(boxes.frame, [begin, end]).tolist()
    return slice(first, behind)


def _overlap(
    predictions: NDArray[np.float32], truth: NDArray[np.float32], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    # In double precision, as COCO has it: at the very threshold, single precision decides otherwise.
    first, second = predictions.astype(np.float64), truth.astype(np.float64)
    overlap: NDArray[np.float64] = iou_of(first, second).astype(np.float64, copy=False)
    overlap[crowd] = over_first(first[crowd], second[crowd])
    return overlap
