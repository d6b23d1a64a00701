"""Splits in time: what validates was never near what was trained on.

Neighbouring frames of a video are nearly copies of each other; a random split would hold a model against what it has
learnt by heart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GAP_S = 2.0
_BLOCKS = 9  # of which a third validates, from all hours of the footage


class Split(NamedTuple):
    """Row masks, bool [n] each; what is near a border is in neither."""

    fit: NDArray[np.bool_]
    validate: NDArray[np.bool_]


def in_time(pts: NDArray[np.float64], shown: NDArray[np.bool_]) -> Split:
    """Blocks of time in turn, cut where nothing is in the picture, so that no passage lies on both sides.

    Blocks have as many frames with a target each: where they are rare, blocks of even length might have none.

    Args:
        pts: float64 [n], ascending, seconds.
        shown: bool [n], whether there is a target.
    """
    passage = passages(pts, shown)
    count = int(passage.max(initial=-1)) + 1
    blocks = min(_BLOCKS, count)
    if blocks < 2:
        nobody = np.zeros(len(pts), bool)
        return Split(~nobody, nobody)
    frames = np.bincount(passage[shown], minlength=count)
    # Which block a passage is in: by the frames with a target before its middle.
    of_passage = ((np.cumsum(frames) - frames / 2) / frames.sum() * blocks).astype(int)
    starts = np.array([pts[passage == first].min() for first in range(count)])
    ends = np.array([pts[passage == last].max() for last in range(count)])
    changes = np.flatnonzero(np.diff(of_passage)) + 1
    borders = np.array([(ends[change - 1] + starts[change]) / 2 for change in changes])
    block = np.searchsorted(borders, pts)
    validates = _validating(len(borders) + 1)[block]
    near = np.zeros(len(pts), bool)
    for border in borders:
        near |= np.abs(pts - border) < GAP_S / 2
    return Split(~validates & ~near, validates & ~near)


def passages(pts: NDArray[np.float64], shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The passage that each frame with a target is part of, counted from 0; -1 for the others: int64 [n].

    Two are told apart where no target was seen for `GAP_S`.
    """
    of = np.full(len(pts), -1, np.int64)
    times = pts[shown]
    if len(times):
        of[shown] = np.cumsum(np.concatenate([[0], np.diff(times) > GAP_S]))
    return of


def _validating(blocks: int) -> NDArray[np.bool_]:
    """Every third block, or every other where they are few: bool [blocks]."""
    turn = 3 if blocks >= 6 else 2
    return np.asarray(np.arange(blocks) % turn == turn - 1)
