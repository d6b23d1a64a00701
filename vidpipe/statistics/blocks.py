"""Bounds of a ratio of sums over time, where what is near in time is alike.

Frames of one visit are right or wrong together, so their number says little of how sure a score is. Time is cut into
blocks; a block counts once, however many frames it has, and one without anything to count does not count (the ratio
estimator of cluster sampling: Cochran, Sampling Techniques, 1977, section 2.11).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_S = 2.0
FEWEST = 5  # blocks: fewer say nothing of how much they differ
CONFIDENCE = 0.95  # of each bound, one-sided


class Estimate(NamedTuple):
    """A ratio with its bounds.

    Attributes:
        value: None where there was nothing to count.
        low, high: 0 and 1 where too few blocks speak for more.
        margin: what `low` lies under `value`.
        blocks: with something to count.
    """

    value: float | None
    low: float
    high: float
    margin: float
    blocks: int

    def blocks_for(self, least: float) -> float:
        """How many blocks as these it would take to have the lower bound reach this; inf where none would do."""
        if self.value is None or self.value <= least:
            return float("inf")
        return float(np.ceil(self.blocks * (self.margin / (self.value - least)) ** 2))


def estimate(
    hits: NDArray[np.floating], trials: NDArray[np.floating], block: NDArray[np.integer], confidence: float = CONFIDENCE
) -> Estimate:
    """The ratio of the sums of `hits` and `trials`, [frames] each.

    Args:
        block: number of the block that each frame lies in.
    """
    from scipy.special import stdtrit

    _, index = np.unique(block, return_inverse=True)
    hit, tried = np.bincount(index, hits), np.bincount(index, trials)
    hit, tried = hit[tried > 0], tried[tried > 0]
    count = len(tried)
    if not count:
        return Estimate(None, 0.0, 1.0, 1.0, 0)
    total = float(tried.sum())
    value = float(hit.sum()) / total
    if count < FEWEST:
        return Estimate(value, 0.0, 1.0, 1.0, count)
    off = hit - value * tried
    # One miss more than there was: a few perfect blocks must not pass for certainty.
    spread = float(np.sqrt(((off**2).sum() + 1.0) * count / (count - 1))) / total
    margin = float(stdtrit(count - 1, confidence)) * spread
    return Estimate(value, max(0.0, value - margin), min(1.0, value + margin), margin, count)


def blocks_of(pts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which block each frame lies in, by its media seconds."""
    return ((pts - pts[:1]) // BLOCK_S).astype(np.int64)
