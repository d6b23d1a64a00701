"""What things look like: enough to tell two people apart who pass each other, for little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.frame import Frame

_ACROSS = (0.22, 0.78)  # of a box's width: the rest is mostly background
_DOWN = (0.08, 0.9)  # of its height
_BANDS = 3  # from top to bottom: a person's head, coat and legs
_POINTS = (6, 4 * _BANDS)  # of each box that are looked at, across and down
_UNIT = np.array([60, 12, 12], np.float32)  # of lightness and colour, 8-bit Lab: light changes, colour hardly does
_APART = 0.5  # mean difference in these units at which two looks are alike by 1/e


def colours(frame: Frame, boxes: NDArray[np.number]) -> NDArray[np.float32]:
    """Mean colour of each third of each box [n, 4], xyxy in pixels of the source: float32 [n, 9]."""
    import cv2

    picture = frame.bgr()
    boxes = boxes * frame.bgr_scale
    bands = np.zeros((len(boxes), _BANDS, 3), np.uint8)
    size = boxes[:, 2:] - boxes[:, :2]
    low = boxes[:, :2] + size * [_ACROSS[0], _DOWN[0]]
    high = boxes[:, :2] + size * [_ACROSS[1], _DOWN[1]] + 1
    limits = [picture.shape[1], picture.shape[0]] * 2
    corners = np.clip(np.concatenate([low, high], axis=1), 0, limits).astype(int)
    for row, (x0, y0, x1, y1) in enumerate(corners.tolist()):
        if x0 < x1 and y0 < y1:
            # A few points of each band tell its colour as well as all of them, and cost the same in a box of any size.
            few = cv2.resize(picture[y0:y1, x0:x1], _POINTS, interpolation=cv2.INTER_NEAREST)
            bands[row] = few.reshape(_BANDS, -1, 3).mean(axis=1)
    lab = cv2.cvtColor(bands, cv2.COLOR_BGR2LAB) if len(boxes) else bands
    return (np.asarray(lab, np.float32) / _UNIT).reshape(len(boxes), 3 * _BANDS)


def alike(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """How alike a thing's colours [9] are to those of others [n, 9]: [n] in 0..1."""
    likeness: NDArray[np.float64] = np.exp(-np.abs(others - one).mean(axis=1, dtype=np.float64) / _APART)
    return likeness
