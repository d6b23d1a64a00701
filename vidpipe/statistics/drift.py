"""Whether pictures still look as they did when a filter was fitted on them.

A few figures of a picture are held against their range in the examples: its brightness, its contrast, and how well it
correlates with the scene without a target. Things that pass move them for seconds; when the median over half a minute
lies outside, the scene is another one: night has come, or the camera was turned.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

LIGHT = ("brightness", "contrast")
FIGURES = (*LIGHT, "likeness to the scene")
EVERY_S = 1.0  # media time between pictures that are looked at
WINDOW = 30  # of them
_TAIL = 0.01  # of the examples at either end that are not taken for normal
_SLACK = np.array([8.0, 4.0, 0.04], np.float32)  # beyond the range: grey levels, grey levels, correlation


def standardised(pictures: Image | NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures of mean 0 and deviation 1, whatever the exposure: float32 of the same shape, [..., h, w]."""
    grey = pictures.astype(np.float32)
    mean = grey.mean(axis=(-2, -1), keepdims=True)
    spread = grey.std(axis=(-2, -1), keepdims=True)
    result: NDArray[np.float32] = (grey - mean) / (spread + 1)
    return result


def figures(picture: Image, scene: NDArray[np.float32]) -> NDArray[np.float32]:
    """`FIGURES` of one picture: float32 [3].

    Args:
        scene: float32 [h, w], the mean of standardised pictures.
    """
    mean, spread = float(picture.mean()), float(picture.std())
    grey = (picture - np.float32(mean)) / np.float32(spread + 1)
    likeness = float((grey * scene).mean()) / max(float(scene.std()) * float(grey.std()), 1e-6)
    return np.array([mean, spread, likeness], np.float32)


def normal_range(each: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest normal value of each figure, float32 [3], from those of examples, [n, 3]."""
    low, high = np.quantile(each, [_TAIL, 1 - _TAIL], axis=0).astype(np.float32)
    # Half its width as well: of one hour of an afternoon the range is narrow.
    room = _SLACK + (high - low) / 2
    return low - room, high + room


class Drift:
    """Watches one stream's pictures. Pickles; holds figures, no picture."""

    def __init__(self) -> None:
        self._next_s = -np.inf
        self._seen: deque[NDArray[np.float32]] = deque(maxlen=WINDOW)

    def due(self, pts: float) -> bool:
        """Whether a picture of this media time is to be looked at."""
        return pts >= self._next_s or pts < self._next_s - 2 * EVERY_S

    def add(self, pts: float, seen: NDArray[np.float32]) -> None:
        """Take a picture's figures."""
        self._next_s = pts + EVERY_S
        self._seen.append(seen)

    @property
    def sure(self) -> bool:
        """Whether enough was seen to tell drift from something that passes."""
        return len(self._seen) == WINDOW

    def moved(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> str:
        """What is not as it was, with its value and its normal range; "" where all of it is."""
        if not self._seen:
            return ""
        now = np.median(np.stack(self._seen), axis=0)
        for name, value, least, most in zip(FIGURES, now, low, high, strict=True):
            if not least <= value <= most:
                return f"{name} is {value:.3g}, normal is {least:.3g} to {most:.3g}"
        return ""
