"""Splits in time: what validates was never near what was trained on.

Neighbouring frames of a video are nearly copies of each other; a random split would hold a model against what it has
learnt by heart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAP_S = 2.0
FOLDS = 3
FLEETING_S = 0.5
_BLOCKS = 9


def folds_in_time(pts: NDArray[np.float64], shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which of `FOLDS` parts each frame is in: blocks of time in turn, so that each part has seen all hours.

    They are cut where nothing is in the picture, so that no visit lies on both sides, and have as many frames with a
    target each: where they are rare, blocks of even length might have none. What is near a border is in no part.

    Args:
        pts: float64 [n], ascending, seconds.
        shown: bool [n], whether there is a target.

    Returns:
        int64 [n]; -1: in none.
    """
    visit = visits(pts, shown)
    count = int(visit.max(initial=-1)) + 1
    if not count:
        return np.full(len(pts), -1, np.int64)
    frames = np.bincount(visit[shown], minlength=count)
    # Which block a visit is in: by the frames with a target before its middle.
    block = ((np.cumsum(frames) - frames / 2) / frames.sum() * min(_BLOCKS, count)).astype(int)
    times = borders(pts, visit, block)
    fold = np.searchsorted(times, pts) % FOLDS
    for border in times:
        fold[np.abs(pts - border) < GAP_S / 2] = -1
    return fold


def borders(pts: NDArray[np.float64], visit: NDArray[np.int64], block: NDArray[np.int64]) -> NDArray[np.float64]:
    """The times halfway between the visits at which one block ends and the next begins, ascending.

    Args:
        pts, visit: of frames, as of `visits`.
        block: that each visit is in, ascending.
    """
    starts, ends = (np.array([edge(pts[visit == one]) for one in range(len(block))]) for edge in (np.min, np.max))
    changes = np.flatnonzero(np.diff(block)) + 1
    times: NDArray[np.float64] = (ends[changes - 1] + starts[changes]) / 2
    return times


def evenly(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the rows, at even distances."""
    if len(rows) <= most:
        return rows
    kept: NDArray[np.intp] = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return kept


def visits(pts: NDArray[np.float64], shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The visit that each frame with a target is part of, counted from 0; -1 for the others: int64 [n].

    Two are told apart where no target was seen for `GAP_S`.
    """
    of = np.full(len(pts), -1, np.int64)
    times = pts[shown]
    if len(times):
        of[shown] = np.cumsum(np.concatenate([[0], np.diff(times) > GAP_S]))
    return of


def fleeting(pts: NDArray[np.float64], visit: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which frames are of a visit shorter than `FLEETING_S`: bool [n]; `visit` as `visits` gives it."""
    brief = [one for one in np.unique(visit[visit >= 0]) if np.ptp(pts[visit == one]) < FLEETING_S]
    return np.isin(visit, brief)
