"""Bringing a picture to a network's input size, and boxes back from there."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.frame import Image

_GREY = 114  # with which YOLO networks were trained


class Placing(Enum):
    """How a picture is laid into an input of another shape."""

    STRETCH = "stretched to the input's shape"
    CENTRE = "scaled evenly, grey bars on both sides"
    CORNER = "scaled evenly into the upper left corner, grey to the right or below"


class Placed(NamedTuple):
    """Where a picture of `width` x `height` came to lie: x of the input is x of the picture * scale_x + left."""

    width: int
    height: int
    scale_x: float
    scale_y: float
    left: int
    top: int

    def back(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes xyxy [n, 4] of the input in pixels of the picture, clipped to it; changes and returns the array."""
        boxes -= (self.left, self.top, self.left, self.top)
        boxes /= (self.scale_x, self.scale_y, self.scale_x, self.scale_y)
        return np.clip(boxes, 0, (self.width, self.height, self.width, self.height), out=boxes)


class Placer:
    """Lays pictures into one input buffer.

    Args:
        placing: how.
        target: uint8 [h, w, 3]: the buffer.
    """

    def __init__(self, placing: Placing, target: Image) -> None:
        self._placing = placing
        self._target = target
        self._placed: Placed | None = None
        self._inner = target

    def put(self, image: Image) -> Placed:
        """Write a picture (uint8 [h, w, 3], any size) into the buffer."""
        import cv2

        height, width = image.shape[:2]
        if self._placed is None or (self._placed.width, self._placed.height) != (width, height):
            self._placed = self._arrange(width, height)
        inner = self._inner
        cv2.resize(image, (inner.shape[1], inner.shape[0]), dst=inner, interpolation=cv2.INTER_LINEAR)
        return self._placed

    def _arrange(self, width: int, height: int) -> Placed:
        """Work out the place for pictures of a new size; the bars are painted here, once, not for every picture."""
        target_height, target_width = self._target.shape[:2]
        if self._placing is Placing.STRETCH:
            return Placed(width, height, target_width / width, target_height / height, 0, 0)
        scale = min(target_width / width, target_height / height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        left = top = 0
        if self._placing is Placing.CENTRE:
            left, top = (target_width - inner_width) // 2, (target_height - inner_height) // 2
        self._target[:] = _GREY
        self._inner = self._target[top : top + inner_height, left : left + inner_width]
        return Placed(width, height, inner_width / width, inner_height / height, left, top)
