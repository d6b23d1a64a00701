"""Which found box is which wanted one: pycocotools' greedy rule, for all frames of a stream at once."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.series import Boxes, Series
from vidpipe.models.boxes import iou as iou_of
from vidpipe.models.boxes import over_first

_AT_ONCE = 1 << 18  # pairs whose overlap is computed at once: what fits a processor's cache


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
    predicted_rows, truth_rows, overlap = overlaps(predictions, truth, iou)
    turn = np.empty(len(predictions), np.intp)
    turn[np.argsort(-predictions.score, kind="stable")] = np.arange(len(predictions))
    order = np.lexsort((-truth_rows, -overlap, truth.ignored[truth_rows], turn[predicted_rows]))
    return _settle(predicted_rows[order], truth_rows[order], len(predictions), truth.crowd)


def overlaps(predictions: Boxes, truth: Boxes, iou: float) -> Overlaps:
    """All pairs of the same frame and class whose IoU is at least this; for a crowd, the part of the found box in it.

    The rows need not be ordered by frame.
    """
    predicted_places, truth_places = _places(predictions, truth)
    by_place = np.argsort(truth_places, kind="stable")
    begin, end = (np.searchsorted(truth_places[by_place], predicted_places, side) for side in ("left", "right"))
    upto = np.concatenate([[0], np.cumsum(end - begin)])
    cuts = np.searchsorted(upto, np.arange(_AT_ONCE, upto[-1], _AT_ONCE))
    parts = [Overlaps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for start, stop in pairwise(np.unique([0, *cuts, len(predictions)])):
        count = (end - begin)[start:stop]
        predicted_rows = np.repeat(np.arange(start, stop), count)
        within = np.arange(len(predicted_rows)) - np.repeat(upto[start:stop] - upto[start], count)
        truth_rows = by_place[np.repeat(begin[start:stop], count) + within]
        parts.append(_at_least(iou, predicted_rows, truth_rows, predictions, truth))
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


def _places(predictions: Boxes, truth: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each class in each frame, of every box: only boxes of one place can match."""
    classes = max((int(boxes.label.max()) + 1 for boxes in (predictions, truth) if len(boxes)), default=1)
    return predictions.frame * classes + predictions.label, truth.frame * classes + truth.label


def _at_least(
    iou: float, predicted_rows: NDArray[np.intp], truth_rows: NDArray[np.intp], predictions: Boxes, truth: Boxes
) -> Overlaps:
    # In double precision, as COCO has it: at the very threshold, single precision decides otherwise.
    first, second = predictions.xyxy[predicted_rows].astype(np.float64), truth.xyxy[truth_rows].astype(np.float64)
    overlap: NDArray[np.float64] = iou_of(first, second).astype(np.float64, copy=False)
    crowded = truth.crowd[truth_rows]
    overlap[crowded] = over_first(first[crowded], second[crowded])
    enough = overlap >= iou
    return Overlaps(predicted_rows[enough], truth_rows[enough], overlap[enough])


def _settle(predictions: NDArray[np.intp], truth: NDArray[np.intp], count: int, crowd: NDArray[np.bool_]) -> Matches:
    """Greedy choice in rounds, instead of box by box.

    What a found box likes best of what is free, it gets as soon as nobody whose turn is earlier could still want it:
    nothing that happens later can change that. So each round settles at least the earliest of every frame; after two
    or three rounds hardly any are left.

    Args:
        predictions, truth: pairs that may match, ordered by turn and then by liking.
        count: of all found boxes.
        crowd: of every wanted box: it may be had any number of times.
    """
    taken = np.zeros(len(crowd), bool)
    earliest = np.empty(len(crowd), np.intp)
    settled_found, settled_truth = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    had = np.zeros(count, bool)
    while len(predictions):
        liked_best = np.concatenate([[True], predictions[1:] != predictions[:-1]])
        earliest[truth[::-1]] = predictions[::-1]  # of a row written twice the last stays: the earliest turn
        settled = liked_best & ((earliest[truth] == predictions) | crowd[truth])
        settled_found.append(predictions[settled])
        settled_truth.append(truth[settled])
        had[predictions[settled]] = True
        taken[truth[settled]] = True
        open_ = ~had[predictions] & (~taken | crowd)[truth]
        predictions, truth = predictions[open_], truth[open_]
    rows = np.concatenate(settled_found)
    order = np.argsort(rows)
    return Matches(rows[order], np.concatenate(settled_truth)[order])
