"""How likely it is that a change matters, from the blocks that changed (NoScope, section 5).

NoScope trains a logistic regression over the errors of all blocks. Here the error of each block is first held against
what it usually is with nothing there, so that a tree, a clock or the sensor's noise at night is no change; and blocks
share one weight but for what speaks against it, so that a place that nothing has crossed yet is no blind spot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidpipe.stages.difference.blocks import Grid

# Noise may be so much stronger than what was learnt (gain at night, a key picture's pulse) before it counts as change;
# beyond that something covers a good part of the picture.
MOST_NOISE = 6.0
_SLACK = 1.5  # times what is usual, at that noise, before a block counts: the variance in a block is itself uncertain

# The least score, of pictures in which no block counts: well under what a single one says that exceeds by a half.
FAINTEST = -3.0

_PRIOR = 8.0  # how firmly weights are held together; in steps of a logistic regression over standardised excess
_STEPS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Scores the residuals of a picture.

    Attributes:
        usual: float32 [rows, columns] of blocks: what a block's residual rarely exceeds while nothing happens.
        weights: float32, likewise: how much a block's excess speaks for a change that matters; never below 0.
    """

    usual: Grid
    weights: Grid

    def score(self, residuals: Grid) -> float:
        """How strongly this speaks for a change that matters: the logarithm of the blocks' weighted excess.

        It rises with the regression's odds. As a logarithm it differs from thing to thing as contrasts and sizes do: by
        factors.
        """
        return float(self.scores(residuals))

    def scores(self, residuals: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same of many: [..., rows, columns] of blocks give [...]."""
        weighed = (excess(residuals, self.usual) * self.weights).sum(axis=(-2, -1))
        return np.asarray(np.log(np.maximum(weighed, np.exp(FAINTEST))), np.float64)


def excess(residuals: NDArray[np.float32], usual: Grid) -> NDArray[np.float32]:
    """By how much residuals exceed what is usual, as a logarithm; 0 where they do not.

    Args:
        residuals: [..., rows, columns] of blocks.
    """
    ratio = residuals / usual
    flat = ratio.reshape(*ratio.shape[:-2], -1)
    middle = flat.shape[-1] // 2
    noise = _SLACK * np.clip(np.partition(flat, middle, axis=-1)[..., middle], 1.0, MOST_NOISE)
    over: NDArray[np.float32] = np.log(np.maximum(ratio / noise[..., None, None], 1.0))
    return over


def usual(residuals: NDArray[np.float32], share: float = 0.98) -> Grid:
    """What residuals [n, rows, columns] of quiet pictures rarely exceed, block by block.

    A block is never calmer than its surroundings let expect: of a dark corner without texture little is known.
    """
    level = np.quantile(residuals, share, axis=0)
    least = max(0.25 * float(np.median(level)), 0.05)
    return np.maximum(level, least).astype(np.float32)


def fit(changes: NDArray[np.float32], matters: NDArray[np.bool_], level: Grid) -> Scorer:
    """Fit the weights by Newton steps on the penalised likelihood; classes weigh the same, as NoScope has it.

    Each weight is a shared one and a block's own difference from it. Only the difference is held near 0: a block that
    was crossed by nothing keeps the shared weight.

    Args:
        changes: [n, rows, columns], residuals of pictures.
        matters: [n], whether something was there. Both must occur.
    """
    inputs = excess(changes, level).reshape(len(changes), -1)
    design = np.concatenate([np.ones((len(inputs), 1)), inputs.sum(axis=1, keepdims=True), inputs], axis=1)
    share = matters.mean()
    weight = np.where(matters, 0.5 / share, 0.5 / (1 - share))
    penalty = np.full(design.shape[1], _PRIOR)
    penalty[:2] = 1e-3, 1e-2
    theta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ theta, -30, 30)))
        slope = design.T @ (weight * (matters - chance)) - penalty * theta
        curve = (design * (weight * chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        theta += step / max(1.0, float(np.abs(step).max()) / 2)
        if float(np.abs(step).max()) < 1e-5:
            break
    weights = np.maximum(theta[1] + theta[2:], 0.0).reshape(level.shape)
    return Scorer(level, weights.astype(np.float32))
