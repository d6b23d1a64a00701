"""Bringing a picture to a network's input size, and boxes back from there."""

from __future__ import annotations

from collections.abc import Sequence
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


class NetworkInput(NamedTuple):
    """What a detector makes of a picture before its network sees it.

    Attributes:
        size: (height, width) of the network's input in pixels.
        mode: how a picture is laid into it.
    """

    size: tuple[int, int]
    mode: LetterboxMode

    def scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) to which a picture of that (width, height) is scaled."""
        height, width = self.size
        if self.mode is LetterboxMode.STRETCH:
            return width, height
        scale = min(width / size[0], height / size[1])
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def enough(size: tuple[int, int], inputs: Sequence[NetworkInput]) -> tuple[int, int]:
    """The least (width, height) of a picture of that size which none of these networks misses anything of.

    Of one network, or of several that scale alike, it is what they scale the picture to: who scales it by `scale` sends
    the very pixels that they would have made. Of others the picture keeps its shape, and each scales it down further.
    It is never larger than the picture.
    """
    wanted = {network.scaled(size) for network in inputs}
    if len(wanted) > 1:
        share = min(1.0, max(side / own for each in wanted for side, own in zip(each, size, strict=True)))
        wanted = {(max(1, round(size[0] * share)), max(1, round(size[1] * share)))}
    return min((min(each[0], size[0]), min(each[1], size[1])) for each in wanted or {size})


def scale(image: Image, size: tuple[int, int], target: Image | None = None) -> Image:
    """A picture scaled to (width, height) as detectors scale it.

    Args:
        target: where to put it, uint8 [h, w, 3]; by default new memory.
    """
    import cv2

    return np.asarray(cv2.resize(image, size, dst=target, interpolation=cv2.INTER_LINEAR), np.uint8)


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
        if image.shape[:2] != self._shape:
            self._shape = image.shape[:2]
            self._placement = self._arrange(*self._shape)
        inner = self._inner
        scale(image, (inner.shape[1], inner.shape[0]), inner)
        return self._placement

    def _arrange(self, height: int, width: int) -> Placement:
        """Work out the place for pictures of a new size; the bars are painted here, once, not for every picture."""
        target_height, target_width = self._target.shape[:2]
        inner_width, inner_height, left, top = _inner(self._mode, (target_height, target_width), (width, height))
        if self._mode is not LetterboxMode.STRETCH:
            self._target[:] = _GREY
            self._inner = self._target[top : top + inner_height, left : left + inner_width]
        return _placement((width, height), (inner_width, inner_height), (left, top))


def placement_of(mode: LetterboxMode, target: tuple[int, int], size: tuple[int, int]) -> Placement:
    """Where a picture of that (width, height) comes to lie in an input of (height, width)."""
    width, height, left, top = _inner(mode, target, size)
    return _placement(size, (width, height), (left, top))


def _inner(mode: LetterboxMode, target: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Width and height of a picture in the input, and its left and upper edge there."""
    width, height = NetworkInput(target, mode).scaled(size)
    if mode is LetterboxMode.CENTRE:
        return width, height, (target[1] - width) // 2, (target[0] - height) // 2
    return width, height, 0, 0


def _placement(size: tuple[int, int], scaled: tuple[int, int], offset: tuple[int, int]) -> Placement:
    """All as (x, y): the picture's own size, its size in the input, and where it begins there."""
    limits = np.array(size * 2, np.float32)
    return Placement(limits, np.array(scaled * 2, np.float32) / limits, np.array(offset * 2, np.float32))
