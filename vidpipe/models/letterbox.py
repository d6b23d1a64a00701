"""Bringing a picture to a network's input size, and boxes back from there."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

_GREY = 114  # with which YOLO networks were trained


class LetterboxMode(Enum):
    """How a picture is laid into an input of another shape."""

    STRETCH = "stretched to the input's shape"
    CENTRE = "scaled evenly, grey bars on both sides"
    CORNER = "scaled evenly into the upper left corner, grey to the right or below"


class Placement(NamedTuple):
    """Where a picture came to lie: a box of the input is a box of the picture * scale + offset.

    Attributes:
        limits: width, height, width, height of the picture.
        scale: x, y, x, y.
        offset: x, y, x, y in pixels of the input.
    """

    limits: NDArray[np.float32]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]

    def back(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes xyxy [n, 4] of the input in pixels of the picture, clipped to it; changes and returns the array."""
        boxes -= self.offset
        boxes /= self.scale
        np.maximum(boxes, 0, out=boxes)
        np.minimum(boxes, self.limits, out=boxes)  # both together cost half of np.clip
        return boxes


class Letterbox:
    """Lays pictures into one input buffer.

    Args:
        mode: how.
        target: uint8 [h, w, 3]: the buffer.
    """

    def __init__(self, mode: LetterboxMode, target: Image) -> None:
        self._mode = mode
        self._target = target
        self._inner = target
        self._shape = (0, 0)
        self._placement = _placement((1, 1), (1, 1), (0, 0))

    def put(self, image: Image) -> Placement:
        """Write a picture (uint8 [h, w, 3], any size) into the buffer."""
        import cv2

        if image.shape[:2] != self._shape:
            self._shape = image.shape[:2]
            self._placement = self._arrange(*self._shape)
        inner = self._inner
        cv2.resize(image, (inner.shape[1], inner.shape[0]), dst=inner, interpolation=cv2.INTER_LINEAR)
        return self._placement

    def _arrange(self, height: int, width: int) -> Placement:
        """Work out the place for pictures of a new size; the bars are painted here, once, not for every picture."""
        target_height, target_width = self._target.shape[:2]
        if self._mode is LetterboxMode.STRETCH:
            return _placement((width, height), (target_width, target_height), (0, 0))
        scale = min(target_width / width, target_height / height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        left = top = 0
        if self._mode is LetterboxMode.CENTRE:
            left, top = (target_width - inner_width) // 2, (target_height - inner_height) // 2
        self._target[:] = _GREY
        self._inner = self._target[top : top + inner_height, left : left + inner_width]
        return _placement((width, height), (inner_width, inner_height), (left, top))


def _placement(size: tuple[int, int], scaled: tuple[int, int], offset: tuple[int, int]) -> Placement:
    """All as (x, y): the picture's own size, its size in the input, and where it begins there."""
    limits = np.array(size * 2, np.float32)
    return Placement(limits, np.array(scaled * 2, np.float32) / limits, np.array(offset * 2, np.float32))
