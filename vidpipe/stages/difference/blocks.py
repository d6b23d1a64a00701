"""How far two pictures differ, block by block, whatever the light (NoScope, section 5)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

Grid = NDArray[np.float32]


class Blocks:
    """A grid of blocks over a preview; averages in it are two small matrix products: a third of the time of cv2.resize.

    Hidden pixels are equal in both pictures; they are no part of a block, so as not to dilute what the others say.

    Args:
        shape: (rows, columns) of the previews.
        blocks: of the grid a side; fewer where the picture is that small.
        hidden: bool [h, w] of the frame, or None.

    Attributes:
        smallest: visible pixels of the smallest block.
    """

    def __init__(self, shape: tuple[int, ...], blocks: int, hidden: NDArray[np.bool_] | None = None) -> None:
        self.shape = shape
        self._rows = _averages(shape[0], blocks)
        self._columns = np.ascontiguousarray(_averages(shape[1], blocks).T)
        self._share = np.round(self._rows @ _visible(shape, hidden) @ self._columns, 5)
        pixels = self._share * np.outer((self._rows > 0).sum(axis=1), (self._columns > 0).sum(axis=0))
        # A block of which less than a pixel is left has nothing to say.
        self._share[pixels < 1] = np.inf
        self.smallest = float(pixels[pixels >= 1].min(initial=np.prod(shape)))

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of blocks."""
        return self._share.shape[0], self._share.shape[1]

    def mean(self, values: NDArray[np.float32]) -> Grid:
        """Mean in each block: float32 [rows, columns] of blocks."""
        return np.asarray(self._rows @ values @ self._columns / self._share, np.float32)

    def errors(self, one: Image, other: Image) -> Grid:
        """Mean squared error in each block, grey levels squared."""
        import cv2

        difference = cv2.absdiff(one, other)
        return self.mean(cv2.multiply(difference, difference, dtype=cv2.CV_32F))

    def residuals(self, preview: Image, reference: NDArray[np.float32], level: float) -> Grid:
        """In each block the variance of what is left once the reference, as bright as the picture, is taken off it.

        A step of exposure scales the whole picture and leaves nothing; a cloud's edge is wider than a block and leaves
        little of it. A thing has edges of its own, and leaves them.

        Args:
            reference: float32, of the preview's shape.
            level: mean of the reference.
        """
        import cv2

        gain = cv2.mean(preview)[0] / max(level, 1.0)
        left: Any = cv2.scaleAdd(reference, -gain, preview.astype(np.float32))
        mean = self.mean(left)
        variance: Grid = self.mean(cv2.multiply(left, left)) - mean * mean
        return variance


def _visible(shape: tuple[int, ...], hidden: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """How much of each pixel of a preview is visible, 0..1: float32 of that shape."""
    if hidden is None:
        return np.ones(shape, np.float32)
    import cv2

    shown = (~hidden).astype(np.float32)
    return np.asarray(cv2.resize(shown, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _averages(length: int, blocks: int) -> NDArray[np.float32]:
    """Matrix [blocks, length] that averages each of `blocks` runs (fewer where the picture is that small)."""
    edges = np.linspace(0, length, min(blocks, length) + 1).round().astype(int)
    matrix = np.zeros((len(edges) - 1, length), np.float32)
    for row, (start, end) in enumerate(pairwise(edges)):
        matrix[row, start:end] = 1 / (end - start)
    return matrix
