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
    """Rows of found and wanted boxes that belong together, ordered by `found`."""

    found: NDArray[np.intp]
    wanted: NDArray[np.intp]


class Overlaps(NamedTuple):
    """Rows of found and wanted boxes of one frame and class that overlap, and how much; ordered by `found`."""

    found: NDArray[np.intp]
    wanted: NDArray[np.intp]
    iou: NDArray[np.float64]


def match(found: Boxes, wanted: Boxes, iou: float = 0.5) -> Matches:
    """Assign found boxes to wanted ones of the same frame and class.

    The rule is that of pycocotools' COCOeval: found boxes choose in falling order of score (equals in the order in
    which they stand). Each takes, of the wanted boxes that are still free, the one of highest IoU that is at least
    `iou` (of equals the last), and an ignored one only where none that counts is left to it. A wanted box is taken
    once, ignored or not; only a crowd stays free for ever, and there the intersection is held against the found box
    alone.

    Args:
        found: its `ignored` and `crowd` mean nothing here.
    """
    found_rows, wanted_rows, overlap = overlaps(found, wanted, iou)
    turn = np.empty(len(found), np.intp)
    turn[np.argsort(-found.score, kind="stable")] = np.arange(len(found))
    order = np.lexsort((-wanted_rows, -overlap, wanted.ignored[wanted_rows], turn[found_rows]))
    return _settle(found_rows[order], wanted_rows[order], len(found), wanted.crowd)


def overlaps(found: Boxes, wanted: Boxes, iou: float) -> Overlaps:
    """All pairs of the same frame and class whose IoU is at least this; for a crowd, the part of the found box in it.

    The rows need not be ordered by frame.
    """
    found_places, wanted_places = _places(found, wanted)
    by_place = np.argsort(wanted_places, kind="stable")
    begin, end = (np.searchsorted(wanted_places[by_place], found_places, side) for side in ("left", "right"))
    upto = np.concatenate([[0], np.cumsum(end - begin)])
    cuts = np.searchsorted(upto, np.arange(_AT_ONCE, upto[-1], _AT_ONCE))
    parts = [Overlaps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for start, stop in pairwise(np.unique([0, *cuts, len(found)])):
        count = (end - begin)[start:stop]
        found_rows = np.repeat(np.arange(start, stop), count)
        within = np.arange(len(found_rows)) - np.repeat(upto[start:stop] - upto[start], count)
        wanted_rows = by_place[np.repeat(begin[start:stop], count) + within]
        parts.append(_at_least(iou, found_rows, wanted_rows, found, wanted))
    return Overlaps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def match_known(found: Series, wanted: Series, iou: float = 0.5) -> tuple[Boxes, Boxes, Matches]:
    """Found and wanted boxes of the frames that `wanted` knows, and how they match.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    if (found.frames, found.classes) != (wanted.frames, wanted.classes):
        raise ValueError(
            f"cannot compare {found.frames} frames of {', '.join(found.classes)} "
            f"with {wanted.frames} frames of {', '.join(wanted.classes)}"
        )
    found_boxes, wanted_boxes = (boxes[wanted.known[boxes.frame]] for boxes in (found.boxes, wanted.boxes))
    return found_boxes, wanted_boxes, match(found_boxes, wanted_boxes, iou)


def that_count(found: Series, wanted: Series) -> tuple[Boxes, Boxes]:
    """Found and wanted boxes of the frames that `wanted` knows, without those that do not count.

    They are the ignored ones, and what was found there: as the MOT Challenge takes them out before it scores.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    found_boxes, wanted_boxes, matches = match_known(found, wanted)
    counts = np.ones(len(found_boxes), bool)
    counts[matches.found] = ~wanted_boxes.ignored[matches.wanted]
    return found_boxes[counts], wanted_boxes[~wanted_boxes.ignored]


def _places(found: Boxes, wanted: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each class in each frame, of every box: only boxes of one place can match."""
    classes = max((int(boxes.label.max()) + 1 for boxes in (found, wanted) if len(boxes)), default=1)
    return found.frame * classes + found.label, wanted.frame * classes + wanted.label


def _at_least(
    iou: float, found_rows: NDArray[np.intp], wanted_rows: NDArray[np.intp], found: Boxes, wanted: Boxes
) -> Overlaps:
    # In double precision, as COCO has it: at the very threshold, single precision decides otherwise.
    first, second = found.xyxy[found_rows].astype(np.float64), wanted.xyxy[wanted_rows].astype(np.float64)
    overlap: NDArray[np.float64] = iou_of(first, second).astype(np.float64, copy=False)
    crowded = wanted.crowd[wanted_rows]
    overlap[crowded] = over_first(first[crowded], second[crowded])
    enough = overlap >= iou
    return Overlaps(found_rows[enough], wanted_rows[enough], overlap[enough])


def _settle(found: NDArray[np.intp], wanted: NDArray[np.intp], count: int, crowd: NDArray[np.bool_]) -> Matches:
    """Greedy choice in rounds, instead of box by box.

    What a found box likes best of what is free, it gets as soon as nobody whose turn is earlier could still want it:
    nothing that happens later can change that. So each round settles at least the earliest of every frame; after two
    or three rounds hardly any are left.

    Args:
        found, wanted: pairs that may match, ordered by turn and then by liking.
        count: of all found boxes.
        crowd: of every wanted box: it may be had any number of times.
    """
    taken = np.zeros(len(crowd), bool)
    earliest = np.empty(len(crowd), np.intp)
    settled_found, settled_wanted = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    had = np.zeros(count, bool)
    while len(found):
        liked_best = np.concatenate([[True], found[1:] != found[:-1]])
        earliest[wanted[::-1]] = found[::-1]  # of a row written twice the last stays: the earliest turn
        settled = liked_best & ((earliest[wanted] == found) | crowd[wanted])
        settled_found.append(found[settled])
        settled_wanted.append(wanted[settled])
        had[found[settled]] = True
        taken[wanted[settled]] = True
        open_ = ~had[found] & (~taken | crowd)[wanted]
        found, wanted = found[open_], wanted[open_]
    rows = np.concatenate(settled_found)
    order = np.argsort(rows)
    return Matches(rows[order], np.concatenate(settled_wanted)[order])
