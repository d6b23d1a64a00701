"""How sure a rate is."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", float, NDArray[np.float64])


def wilson(hits: float, trials: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a rate, 95 % by default; (0, 1) where nothing was tried (Wilson 1927).

    Args:
        hits, trials: counts; weighted ones may be fractions.
    """
    if not trials:
        return 0.0, 1.0
    low, high = bounds(min(hits / trials, 1.0), float(trials), z)
    return max(0.0, low), min(1.0, high)


def bounds(rate: Number, trials: Number, z: float) -> tuple[Number, Number]:
    """Of rates 0..1, each of so many trials: numbers, or arrays of them. Rounding may take them a hair out of 0..1."""
    z2 = z * z
    centre = rate + z2 / (2 * trials)
    spread = z * (rate * (1 - rate) / trials + z2 / (4 * trials * trials)) ** 0.5
    scale = 1 + z2 / trials
    return (centre - spread) / scale, (centre + spread) / scale
