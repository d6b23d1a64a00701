"""To which digit answers are told: rules see what results files hold, so that both come to the same events.

A float32 times a power of ten up to 10,000 is exact as float64, so of what models give each number is rounded right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_PIXELS, _SCORE, _SECONDS = 2, 4, 6


def round_boxes(xyxy: ArrayLike) -> NDArray[np.float64]:
    """Boxes, float64 [n, 4], to a hundredth of a pixel."""
    rounded: NDArray[np.float64] = np.asarray(xyxy, np.float64).reshape(-1, 4).round(_PIXELS)
    return rounded


def round_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Scores, float64 [n], to four places."""
    rounded: NDArray[np.float64] = np.asarray(scores, np.float64).round(_SCORE)
    return rounded


def round_seconds(seconds: float) -> float:
    """A time to a microsecond."""
    return round(seconds, _SECONDS)
