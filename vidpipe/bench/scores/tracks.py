"""Whether things keep their identity: MOTA and IDF1, against labels with track ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.figures import TrackScore
from vidpipe.bench.scores.matching import Overlaps, overlaps, that_count
from vidpipe.bench.series import Boxes, Series

_IOU = 0.5


def track_score(found: Series, wanted: Series) -> TrackScore:
    """MOTA (Bernardin and Stiefelhagen, 2008) and IDF1 (Ristani et al., 2016) at IoU 0.5, as py-motmetrics has them.

    Each class is tracked on its own: a track id counts within its class. Errors and boxes of all classes are summed.
    Frames that `wanted` does not know are left out; so are ignored boxes and what was found there. A box without
    identity, where others have one, can be right for MOTA, and switches nothing; for IDF1 it is nobody's, and so wrong.

    Returns:
        None for all three where one side has no identities.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    found_boxes, wanted_boxes = that_count(found, wanted)
    if not ((found.boxes.track >= 0).any() and (wanted_boxes.track >= 0).any()):
        return TrackScore(mota=None, idf1=None, switches=None)
    pairs = overlaps(found_boxes, wanted_boxes, _IOU)
    found_ids, wanted_ids = _identities(found_boxes), _identities(wanted_boxes)
    matched, switches = _clear_mot(pairs, found_boxes.frame, found_ids.tolist(), wanted_ids.tolist())
    errors = len(found_boxes) - matched + len(wanted_boxes) - matched + switches
    together = _together(found_boxes.frame[pairs.found], found_ids[pairs.found], wanted_ids[pairs.wanted])
    return TrackScore(
        mota=1 - errors / len(wanted_boxes),
        idf1=2 * together / (len(found_boxes) + len(wanted_boxes)),
        switches=switches,
    )


def _identities(boxes: Boxes) -> NDArray[np.int64]:
    """A number for each track of each class, of every box; -1 where it has no identity."""
    _, track = np.unique(boxes.track, return_inverse=True)
    return np.where(boxes.track >= 0, boxes.label * (len(boxes) + 1) + track, -1)


def _together(frame: NDArray[np.int64], found: NDArray[np.int64], wanted: NDArray[np.int64]) -> int:
    """How many boxes agree if each found identity is taken for one wanted one, one-to-one, in the best of all ways.

    Two identities agree once a frame: one that stands there twice must not count twice.

    Args:
        frame, found, wanted: frame and identities of boxes that overlap enough.
    """
    from scipy.optimize import linear_sum_assignment

    known = (found >= 0) & (wanted >= 0)
    found_all, found_index = np.unique(found[known], return_inverse=True)
    wanted_all, wanted_index = np.unique(wanted[known], return_inverse=True)
    shape = len(found_all), len(wanted_all)
    cells = shape[0] * shape[1]
    once = np.unique(frame[known] * cells + found_index * shape[1] + wanted_index) % cells
    shared = np.bincount(once, minlength=cells).reshape(shape)
    return int(shared[linear_sum_assignment(shared, maximize=True)].sum())


class _Pair(NamedTuple):
    """Rows of a found and a wanted box that overlap enough."""

    found: int
    wanted: int
    iou: float


def _clear_mot(
    pairs: Overlaps, found_frame: NDArray[np.int64], found_ids: Sequence[int], wanted_ids: Sequence[int]
) -> tuple[int, int]:
    """How many boxes match, and how often the identity found for a wanted one changes.

    Who was matched last and still overlaps stays matched, also after a gap, be there a better overlap; the others are
    matched anew (CLEAR MOT, section 2.1.3). So it goes frame by frame, and only over pairs.
    """
    order = np.argsort(pairs.wanted, kind="stable")  # by frame, and where two claim the same, the first has it
    rows = list(map(_Pair, *(column[order].tolist() for column in pairs)))
    borders = np.flatnonzero(np.diff(found_frame[pairs.found[order]], prepend=-1, append=-1))
    partner: dict[int, int] = {}
    matched, switches = 0, 0
    for low, high in pairwise(borders.tolist()):
        kept: dict[int, int] = {}
        for pair in rows[low:high]:
            if partner.get(wanted_ids[pair.wanted]) == found_ids[pair.found] and pair.wanted not in kept.values():
                kept.setdefault(pair.found, pair.wanted)
        kept_wanted = set(kept.values())
        rest = [pair for pair in rows[low:high] if pair.found not in kept and pair.wanted not in kept_wanted]
        anew = _assign(rest)
        matched += len(kept) + len(anew)
        for pair in anew:
            known, seen = wanted_ids[pair.wanted], found_ids[pair.found]
            if known >= 0 and seen >= 0:
                switches += partner.get(known, seen) != seen
                partner[known] = seen
    return matched, switches


def _assign(pairs: Sequence[_Pair]) -> Sequence[_Pair]:
    """As many pairs as can be had one-to-one, and of those the ones with the most overlap."""
    found, wanted = sorted({pair.found for pair in pairs}), sorted({pair.wanted for pair in pairs})
    if len(found) == len(wanted) == len(pairs):
        return pairs
    from scipy.optimize import linear_sum_assignment

    places = [(found.index(pair.found), wanted.index(pair.wanted)) for pair in pairs]
    worth = np.zeros((len(found), len(wanted)))
    for place, pair in zip(places, pairs, strict=True):
        worth[place] = len(pairs) + pair.iou  # one pair more is worth more than any overlap
    chosen = set(zip(*linear_sum_assignment(worth, maximize=True), strict=True))
    return [pair for place, pair in zip(places, pairs, strict=True) if place in chosen]
