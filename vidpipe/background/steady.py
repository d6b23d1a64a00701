"""Whether a camera stands still."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidpipe.frame import Image

STEADY = 0.004  # of the picture's width, from one second to the next
_TILES = 4  # a side
_LEAST_PX = 4  # of a tile's side: in a smaller one nothing can be followed
_ALIKE_PX = 1.5  # by which a tile may differ from what the camera does


def movement(previews: Sequence[Image]) -> float:
    """How far the view moves from one second to the next, as a share of the picture's width: the median of all seconds.

    Of each two pictures a second apart every tile says by phase correlation (Kuglin and Hines 1975) how far it has
    moved; the median tile speaks for the camera, as what moves in front of it fills some tiles, each another way. It
    speaks only where half of all tiles have moved as it has: in a picture of noise each seems to move somewhere else.
    """
    if len(previews) < 2 or min(previews[0].shape) < _TILES * _LEAST_PX:
        return 0.0
    tiles = [_tiles(preview) for preview in previews]
    moved = [_of_camera(_shifts(one, other)) for one, other in pairwise(tiles)]
    return float(np.median(moved) / previews[0].shape[1])


def _of_camera(shifts: NDArray[np.float64]) -> float:
    """Pixels by which the camera has moved, of (x, y) by tile, [tiles, 2]."""
    median = np.median(shifts, axis=0)
    alike = np.hypot(*(shifts - median).T) <= _ALIKE_PX
    return float(np.hypot(*median)) if alike.mean() >= 0.5 else 0.0


def _tiles(preview: Image) -> list[NDArray[np.float32]]:
    import cv2

    values = preview.astype(np.float32)
    edges = values - cv2.GaussianBlur(values, (0, 0), 4)
    rows, columns = (length // _TILES for length in edges.shape)
    places = [(row * rows, column * columns) for row in range(_TILES) for column in range(_TILES)]
    return [np.ascontiguousarray(edges[y : y + rows, x : x + columns]) for y, x in places]


def _shifts(one: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(x, y) in preview pixels by which each tile has moved, [tiles, 2]; of a tile without texture, noise about 0."""
    import cv2

    window = cv2.createHanningWindow(one[0].shape[::-1], cv2.CV_32F)
    return np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in zip(one, other, strict=True)], np.float64)
