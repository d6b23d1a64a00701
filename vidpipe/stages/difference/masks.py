"""Parts of the picture that change all the time and never mean anything: to be masked, if the user agrees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.stages.difference.blocks import Grid

RESTLESS = 30.0  # times what the picture's blocks usually change by


class Proposal(NamedTuple):
    """A part to mask.

    Attributes:
        polygon: corners (x, y) in parts of the picture, as masks are written.
        restless: how many times more it changes than the picture's blocks usually do.
    """

    polygon: list[tuple[float, float]]
    restless: float


def propose(usual: Grid, touched: NDArray[np.bool_]) -> list[Proposal]:
    """Rectangles over neighbouring restless blocks: clocks, flags, trees.

    Args:
        usual: what the residual of each block rarely exceeds while nothing happens, [rows, columns].
        touched: blocks that something of the user's classes has been in; they are never proposed.
    """
    import cv2

    ratio = usual / max(float(np.median(usual)), 1e-3)
    restless = (ratio > RESTLESS) & ~touched
    count, parts = cv2.connectedComponents(restless.astype(np.uint8), connectivity=4)
    return [_around(parts == part, ratio) for part in range(1, count) if not _covers(parts == part, touched)]


def _covers(part: NDArray[np.bool_], touched: NDArray[np.bool_]) -> bool:
    """Whether the rectangle around a part would hide what things have touched."""
    rows, columns = _extent(part)
    return bool(touched[rows, columns].any())


def _around(part: NDArray[np.bool_], ratio: Grid) -> Proposal:
    rows, columns = _extent(part)
    height, width = part.shape
    x0, x1 = (round(edge / width, 3) for edge in (columns.start, columns.stop))
    y0, y1 = (round(edge / height, 3) for edge in (rows.start, rows.stop))
    return Proposal([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float(ratio[part].max()))


def _extent(part: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
