"""What things look like: enough to tell two people apart who pass each other, for little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Frame

BANDS = 3  # from top to bottom: a person's head, coat and legs
_ACROSS = np.linspace(0.25, 0.75, 6)  # of a box's width, where it is looked at: the sides are mostly background
_DOWN = np.linspace(0.1, 0.87, 4 * BANDS)  # of its height
_UNIT = np.array([60, 12, 12], np.float32)  # of luma and of colour: light changes, colour hardly does


def colours(frame: Frame, boxes: NDArray[np.number]) -> NDArray[np.float32]:
    """Mean colour of each third of each box [n, 4], xyxy in pixels of the source: float32 [n, 9]."""
    if not len(boxes):
        return np.zeros((0, 3 * BANDS), np.float32)
    height, width = frame.luma().shape
    scale = np.array([width / frame.width, height / frame.height])  # a link may have scaled the picture down
    low, size = boxes[:, :2] * scale, (boxes[:, 2:] - boxes[:, :2]) * scale
    x = np.clip(low[:, :1] + size[:, :1] * _ACROSS, 0, width - 1).astype(int)
    y = np.clip(low[:, 1:] + size[:, 1:] * _DOWN, 0, height - 1).astype(int)
    points = frame.picture.yuv(x[:, None, :], y[:, :, None])
    bands: NDArray[np.float32] = points.reshape(len(boxes), BANDS, -1, 3).mean(axis=2, dtype=np.float32) / _UNIT
    return bands.reshape(len(boxes), 3 * BANDS)


def apart(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much colours [..., 9] differ, in units of what light changes; pairs as numpy broadcasts."""
    differ: NDArray[np.float64] = np.abs(others - one).mean(axis=-1, dtype=np.float64)
    return differ
