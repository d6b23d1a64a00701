"""Box F1: how many boxes are right, of all objects and of those that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.figures import BoxScore
from vidpipe.accuracy.scores.matching import match_known, overlaps
from vidpipe.accuracy.series import Boxes, Series

_BLOCK_S = 2.0
_LEAST_BLOCKS = 5  # fewer say nothing of how much they differ
_RESAMPLES = 2000
_STILL_IOU = 0.7
_STILL_S = 1.0


class Counts(NamedTuple):
    """Right, false and missed boxes; int64 [classes, frames] each."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]


def count(predictions: Series, truth: Series) -> Counts:
    """Match at IoU 0.5 and count, frame by frame and class by class.

    Frames that `truth` does not know count nothing. An ignored box is not missed, nor is what matches it false.
    """
    predicted_boxes, truth_boxes, matches = match_known(predictions, truth)
    false, missed = np.ones(len(predicted_boxes), bool), np.ones(len(truth_boxes), bool)
    false[matches.predictions], missed[matches.truth] = False, False
    counts = ~truth_boxes.ignored

    def tally(boxes: Boxes) -> NDArray[np.int64]:
        places = boxes.label * truth.frames + boxes.frame
        shape = len(truth.classes), truth.frames
        return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)

    right = tally(truth_boxes[~missed & counts])
    return Counts(right, tally(predicted_boxes[false]), tally(truth_boxes[missed & counts]))


def box_score(counts: Counts, pts: NDArray[np.float64]) -> BoxScore:
    """Score of all classes together, with a 95 % interval of F1.

    The interval is a percentile bootstrap over blocks of 2 s of media time (the block bootstrap of Carlstein, 1986):
    what is wrong in one frame is mostly wrong in the next, so single frames, resampled as if they were independent,
    would give an interval that is far too narrow. Blocks in which there was nothing to count are left out. It is
    None where fewer than 5 remain.

    Args:
        pts: media seconds of the frames.
    """
    by_frame = np.stack([part.sum(axis=0) for part in counts], axis=1)
    low, high = _interval(by_frame, pts)
    return total(counts).model_copy(update={"low": low, "high": high})


def total(counts: Counts) -> BoxScore:
    """Score of all classes together, without interval."""
    return _score(*(int(part.sum()) for part in counts))


def by_class(counts: Counts, classes: Sequence[str]) -> dict[str, BoxScore]:
    """Score of each class, without interval."""
    sums = np.stack([part.sum(axis=1) for part in counts], axis=1).tolist()
    return {name: _score(*row) for name, row in zip(classes, sums, strict=True)}


def moving(truth: Series) -> Series:
    """The same with every box of a thing that stands still ignored: `count(found, moving(truth))` scores the rest.

    A box stands still where its class has a box that overlaps it at IoU 0.7 or more both 1 s before and 1 s after, in
    the known frame nearest to that time (off by no more than half of what lies between known frames, and by 0.5 s).
    Where there is no such frame, as at the ends of the stretch, the other side decides; with neither, nothing can be
    called still. No identities are needed, so it is the same for a reference and for labels. A found box that matches
    nothing is still false: nobody can say whether a thing that is not there moves.
    """
    boxes = truth.boxes
    there, stays = np.zeros((2, len(boxes)), bool), np.zeros((2, len(boxes)), bool)
    for side, offset_s in enumerate((-_STILL_S, _STILL_S)):
        other = _known_near(truth, truth.pts + offset_s)
        there[side] = other[boxes.frame] >= 0
        stays[side, overlaps(boxes, truth.held(other).boxes, _STILL_IOU).predictions] = True
    still = (stays | ~there).all(axis=0) & there.any(axis=0)
    return replace(truth, boxes=replace(boxes, ignored=boxes.ignored | still))


def _score(tp: int, fp: int, fn: int) -> BoxScore:
    def ratio(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return BoxScore(
        f1=ratio(2 * tp, 2 * tp + fp + fn), precision=ratio(tp, tp + fp), recall=ratio(tp, tp + fn), tp=tp, fp=fp, fn=fn
    )


def _interval(by_frame: NDArray[np.int64], pts: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Bounds of F1 from TP, FP and FN, [frames, 3]."""
    counted = by_frame.any(axis=1)
    _, block = np.unique((pts[counted] - pts[:1]) // _BLOCK_S, return_inverse=True)
    blocks = int(block.max(initial=-1)) + 1
    if blocks < _LEAST_BLOCKS:
        return None, None
    by_block = np.zeros((blocks, 3), np.int64)
    np.add.at(by_block, block, by_frame[counted])
    drawn = np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), _RESAMPLES)
    tp, fp, fn = (drawn @ by_block).T
    low, high = np.percentile(2 * tp / (2 * tp + fp + fn), [2.5, 97.5])
    return float(low), float(high)


def _known_near(series: Series, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each time the index of the nearest known frame; -1 where none is near enough."""
    known = np.flatnonzero(series.known)
    if len(known) < 2:
        return np.full(len(times), -1)
    pts = series.pts[known]
    after = np.searchsorted(pts, times).clip(1, len(pts) - 1)
    nearest = np.where(times - pts[after - 1] <= pts[after] - times, after - 1, after)
    # A millisecond more, as times are rounded.
    near_s = min(float(np.median(np.diff(pts))) / 2 + 1e-3, _STILL_S / 2)
    return np.where(np.abs(pts[nearest] - times) <= near_s, known[nearest], -1)
