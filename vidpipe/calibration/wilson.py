"""How sure a rate is."""

from __future__ import annotations

import math


def wilson(hits: float, trials: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a rate, 95 % by default; (0, 1) where nothing was tried (Wilson 1927).

    Args:
        hits, trials: counts; weighted ones may be fractions.
    """
    if not trials:
        return 0.0, 1.0
    rate, z2 = hits / trials, z * z
    centre = rate + z2 / (2 * trials)
    spread = z * math.sqrt(max(0.0, rate * (1 - rate)) / trials + z2 / (4 * trials * trials))
    scale = 1 + z2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
