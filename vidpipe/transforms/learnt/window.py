"""Features over a while: their mean, their greatest value, and how they have changed."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

PARTS = 3  # numbers of a window for each feature


class Window:
    """The features of the last looks; it pickles.

    Args:
        length_s: media seconds that it reaches back.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._looks: deque[tuple[float, NDArray[np.float64]]] = deque()

    def clear(self) -> None:
        """What comes does not go on from what was."""
        self._looks.clear()

    def add(self, pts: float, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the features of a look, and return those of the window that ends with it, [3 n]: mean, greatest, and the
        mean of its later half less that of its earlier one.
        """
        self._looks.append((pts, features))
        while pts - self._looks[0][0] > self._length_s - 1e-6:
            self._looks.popleft()
        values = np.array([each for _, each in self._looks])
        half = len(values) // 2
        change = values[half:].mean(axis=0) - values[:half].mean(axis=0) if half else np.zeros_like(features)
        return np.concatenate([values.mean(axis=0), values.max(axis=0), change])
