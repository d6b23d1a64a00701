"""Thresholds for a gate by what its validation found, within a budget of misses, and whether it pays at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ConfigError
from vidpipe.stages.gate.split import fleeting
from vidpipe.stages.gate.versions import EMPTY_RECOGNISED
from vidpipe.statistics import tolerance

if TYPE_CHECKING:
    from vidpipe.stages.gate.training import TrainedGate

LEAST_EMPTY = 0.2
"""Share of the frames without a target that a gate must recognise to be worth its own cost and trouble."""

_STRETCH_S = 30.0
_SURE = 6.0  # log odds


class Decision(NamedTuple):
    """Thresholds on the score, 0..1, and what validation says of the lower one.

    Attributes:
        low: a frame under it is answered `empty`.
        high: from here on a target is there; None: no such score is known.
        empty: share of the frames without a target that lie under `low`, of those that come to the gate.
        missed: share of the frames with one that do, with its upper bound.
    """

    low: float
    high: float | None
    empty: float
    missed: tolerance.Bound


def thresholds(
    trained: TrainedGate, max_miss: float, max_false: float, usual: tolerance.Spreads = tolerance.LOG_ODDS
) -> Decision:
    """The thresholds that decide most frames and hold the budgets with 95 %, by the validation.

    Args:
        max_miss: share of the frames with a target that may be answered `empty`.
        max_false: share of the frames without one that may be said to have one.
        usual: how far visits usually lie apart: on any camera, or on those of the group.

    Raises:
        ConfigError: no threshold is known to hold the budget of misses, or what it leaves to answer does not pay.
    """
    present = trained.present
    low = low_within(trained, max_miss, usual)
    stream, visits = trained.gate.stream, len(np.unique(trained.visit[present]))
    if low <= 0:
        raise ConfigError(
            f"stream {stream}: {visits} visits to validate with are too few to promise misses under {max_miss:.1%}"
        )
    empty = float(np.average(trained.scores[~present] < low, weights=trained.weight[~present]))
    if empty < LEAST_EMPTY:
        raise ConfigError(
            f"stream {stream}: a gate that misses under {max_miss:.1%} recognises {empty:.0%} of the empty frames: "
            f"under {LEAST_EMPTY:.0%} it does not pay"
        )
    return Decision(low, presence_from(trained, max_false, low), empty, missed_under(trained, low))


def low_within(trained: TrainedGate, max_miss: float, usual: tolerance.Spreads = tolerance.LOG_ODDS) -> float:
    """The score under which, with 95 %, no more than this share of the frames with a target lies; 0: none is known."""
    present = trained.present
    visit = trained.visit[present]
    brief = fleeting(trained.pts[present], visit)
    odds = log_odds(trained.scores[present])
    limit = tolerance.threshold(odds, visit, max_miss, usual, brief)
    return _score(limit) if np.isfinite(limit) else 0.0


def seen(trained: TrainedGate, max_miss: float) -> tolerance.Seen:
    """What the visits of this camera tell others of the group."""
    present = trained.present
    return tolerance.seen(log_odds(trained.scores[present]), trained.visit[present], max_miss)


def presence_from(trained: TrainedGate, max_false: float, low: float) -> float | None:
    """The score from which on a target is there, with 95 % for all but this share of the frames without one.

    None: no such score is known. It never lies under `low`.
    """
    empty = ~trained.present
    # Without a target there are no visits: the same stretch of background is taken for one thing.
    stretch = (trained.pts[empty] // _STRETCH_S).astype(np.int64)
    highest = -tolerance.threshold(log_odds(1 - trained.scores[empty]), stretch, max_false, tolerance.LOG_ODDS)
    return max(_score(highest), low) if np.isfinite(highest) else None


def missed_under(trained: TrainedGate, low: float) -> tolerance.Bound:
    """The share of the frames with a target whose score lies under `low`, in validation."""
    return tolerance.rate(trained.scores[trained.present] < low, trained.visit[trained.present])


def evidence(trained: TrainedGate, decided: Decision, max_miss: float) -> dict[str, Any]:
    """What speaks for a gate with these thresholds, as it is kept with it."""
    return {
        "max_miss": max_miss,
        "missed": decided.missed.rate,
        "missed_at_most": decided.missed.high,
        EMPTY_RECOGNISED: decided.empty,
        "network_cpu_ms": trained.cpu_ms,
        "training_cpu_s": trained.training_cpu_s,
    }


def log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as logits again, which are spread evenly where scores crowd at 0 and 1.

    Bounded above: how sure the surest visit is must not widen what is said of the least sure ones.
    """
    clipped = np.clip(scores, 1e-7, 1 - 1e-7)
    odds: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return np.minimum(odds, _SURE)


def _score(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))
