"""Bounds of a ratio of sums over time, where what is near in time is alike.

Frames of one visit are right or wrong together, so their number says little of how sure a score is. Time is cut into
blocks; a block counts once, however many frames it has, and one without anything to count does not count (the ratio
estimator of cluster sampling: Cochran, Sampling Techniques, 1977, section 2.11).

Where errors are rare, footage mostly has fewer of them than later footage will, and an interval of the same width to
both sides would promise too much: the lower bound would be wrong in one case of seven, not in one of twenty. So bounds
are Wilson's, of a rate of that variance (as Korn and Graubard 1998 do with Clopper and Pearson's).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.statistics.wilson import bounds

BLOCK_S = 2.0
FEWEST = 5  # blocks: fewer say nothing of how much they differ
CONFIDENCE = 0.95  # of each bound, one-sided


class Estimate(NamedTuple):
    """A ratio with its bounds.

    Attributes:
        value: None where there was nothing to count.
        low, high: 0 and 1 where too few blocks speak for more.
        margin: what `low` lies under `value`, where there are blocks enough for a bound.
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
        return max(float(FEWEST), float(np.ceil(self.blocks * (self.margin / (self.value - least)) ** 2)))


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
    off = hit - value * tried
    # One miss more than there was: a few perfect blocks must not pass for certainty.
    variance = ((off**2).sum() + 1.0) * count / max(1, count - 1) / total**2
    rate = min(max(value, 0.0), 1.0)
    missed = max(rate * (1 - rate), 1 / (total + 1) * (1 - 1 / (total + 1)))
    low, high = bounds(rate, min(total, float(missed / variance)), float(stdtrit(max(1, count - 1), confidence)))
    if count < FEWEST:
        return Estimate(value, 0.0, 1.0, value - low, count)
    return Estimate(value, max(0.0, low), min(1.0, high), value - low, count)


def blocks_of(pts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which block each frame lies in, by its media seconds."""
    return ((pts - pts[:1]) // BLOCK_S).astype(np.int64)
