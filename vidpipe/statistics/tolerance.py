"""Thresholds and rates with a bound, from a few visits of many frames each.

Frames of one visit say nearly the same thing over and over; visits are what comes independently. So a visit
counts once: by the score below which so few of its frames fall that their share may be missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_FEWEST = 2
_WHOLE = 0.25  # of a visit's frames under a threshold, from which on it counts as missed as a whole
_LEAST_SPREAD = 0.1  # of what is usual: visits of a camera that are all alike leave no variance to take a logarithm of


class Spread(NamedTuple):
    """How far visits' scores lie apart, as it is known before a camera's own visits say it.

    Attributes:
        apart: one standard deviation.
        worth: degrees of freedom, so the visits that this is worth: a few that look alike do not prove that all do.
    """

    apart: float
    worth: float


class Spreads(NamedTuple):
    """`Spread` of the two scores that a visit has.

    Attributes:
        least: of the score under which half the budget of its frames falls.
        whole: of the score under which it counts as missed as a whole.
    """

    least: Spread
    whole: Spread


# On any camera, of logarithms of contrast and of a network's log odds.
CONTRASTS, LOG_ODDS = Spreads(Spread(0.5, 4), Spread(0.5, 4)), Spreads(Spread(1.5, 4), Spread(1.5, 4))


class Seen(NamedTuple):
    """What the visits of one camera tell another one.

    Attributes:
        visits: how many.
        least, whole: one standard deviation of their scores; see `Spreads`.
    """

    visits: int
    least: float
    whole: float


class Bound(NamedTuple):
    """A rate over visits.

    Attributes:
        rate: share of all frames.
        high: what it is at most, with `CONFIDENCE`.
    """

    rate: float
    high: float


def threshold(
    scores: NDArray[np.floating],
    visit: NDArray[np.int64],
    budget: float,
    usual: Spreads = CONTRASTS,
    fleeting: NDArray[np.bool_] | None = None,
) -> float:
    """The threshold under which, with `CONFIDENCE`, no more than this share of such frames ever falls; -inf: none does.

    Half the budget is for frames within visits, half for visits that lie under it as a whole. Of the latter the
    share is bounded in two ways, and the higher threshold taken: by order statistics, which assume nothing and need 60
    visits for a budget of 10 % and 600 for one of 1 % (Clopper and Pearson 1934); and as a one-sided normal tolerance
    limit of the visits' scores, which are logarithms (Natrella 1963), their spread drawn towards what is usual on any
    camera. The latter never lies above the least visit, and is no better than its assumption: audits check it.
    Of the former each visit's share is kept, or that of all frames together, whichever gives more: at its ends a
    thing is half in the picture, and a few such frames say little of how faint the next visit is.

    Args:
        scores: of the frames that matter, [n]; higher is surer.
        visit: number of the visit that each belongs to, [n].
        budget: share of the frames, 0..1.
        usual: how far visits usually lie apart.
        fleeting: bool [n], frames of visits that may be given up as a whole, where that gives a higher threshold:
            what they are of all frames at most is taken off the budget. A model that sees a ghost in one picture makes
            a visit of it, and among visits it would count as much as a person who walks through.
    """
    limit = _limit(scores, visit, budget, usual)
    if fleeting is not None and fleeting.any():
        left = budget - rate(fleeting, visit).high
        limit = max(limit, _limit(scores[~fleeting], visit[~fleeting], left, usual))
    return limit


def seen(scores: NDArray[np.floating], visit: NDArray[np.int64], budget: float) -> Seen:
    """What these visits tell another camera, of the scores that `threshold` goes by; arguments as there."""
    least, whole = (_critical_of_each(scores, visit, share) for share in (budget / 2, _WHOLE))
    if len(least) < _FEWEST:
        return Seen(len(least), 0.0, 0.0)
    return Seen(len(least), float(least.std(ddof=1)), float(whole.std(ddof=1)))


def shared(usual: Spreads, others: Sequence[Seen]) -> Spreads:
    """How far visits lie apart on one more camera, by what others have seen (empirical Bayes: Smyth 2004, section 6.2).

    Variances of cameras are taken for draws from one scaled inverse chi-square, whose two numbers are fitted by the
    moments of their logarithms. `usual` is one of the cameras, so that one or two others do not decide alone. The less
    cameras differ, the more a guess from them is worth, but never more than all that they have seen.
    """
    members = [one for one in others if one.visits >= _FEWEST]
    if not members:
        return usual
    freedom = [one.visits - 1.0 for one in members]
    return Spreads(
        _shared(usual.least, freedom, [one.least for one in members]),
        _shared(usual.whole, freedom, [one.whole for one in members]),
    )


def _shared(usual: Spread, freedom: Sequence[float], apart: Sequence[float]) -> Spread:
    """`shared` of one of the scores."""
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    free, deviation = np.array([usual.worth, *freedom]), np.array([usual.apart, *apart])
    half = free / 2
    logs = 2 * np.log(np.maximum(deviation, _LEAST_SPREAD * usual.apart)) - digamma(half) + np.log(half)
    differ = float(logs.var(ddof=1) - polygamma(1, half).mean())
    most = float(free.sum())
    if differ <= polygamma(1, most / 2):
        worth = most
    else:
        worth = 2 * float(brentq(lambda each: polygamma(1, each) - differ, 1e-3, most / 2))
    middle = float(logs.mean() + digamma(worth / 2) - np.log(worth / 2))
    return Spread(float(np.exp(middle / 2)), worth)


def _limit(scores: NDArray[np.floating], visit: NDArray[np.int64], budget: float, usual: Spreads) -> float:
    """`threshold` with all visits."""
    names = np.unique(visit)
    if len(names) < _FEWEST or budget <= 0:
        return -np.inf
    critical = _critical_of_each(scores, visit, budget / 2)
    whole = _critical_of_each(scores, visit, _WHOLE)
    return max(
        _normal(critical, budget / 2, usual.least),
        _by_order(np.sort(critical), budget / 2),
        min(_normal(whole, budget / 2, usual.whole), _pooled(scores, visit, budget / 2)),
    )


def _normal(critical: NDArray[np.float64], share: float, usual: Spread) -> float:
    """The limit above which all but this share of visits lie, if they are normal; never above the least one."""
    freedom = len(critical) - 1 + usual.worth
    spread = np.sqrt((usual.worth * usual.apart**2 + ((critical - critical.mean()) ** 2).sum()) / freedom)
    limit = float(critical.mean() - _factor(len(critical), freedom, 1 - share) * spread)
    return min(limit, float(critical.min()))


def _pooled(scores: NDArray[np.floating], visit: NDArray[np.int64], share: float) -> float:
    """The highest of the scores under which this share of all frames lies at most, with `CONFIDENCE`."""
    from scipy.special import betaincinv

    ordered = np.sort(scores)
    best = -np.inf
    for under in range(int(len(scores) * share) + 1):
        # As if frames were independent, for where few or none are under it; and as visits differ.
        if betaincinv(under + 1, len(scores) - under, CONFIDENCE) > share:
            break
        if rate(scores < ordered[under], visit).high <= share:
            best = float(ordered[under])
    return best


def rate(missed: NDArray[np.bool_] | NDArray[np.floating], visit: NDArray[np.int64]) -> Bound:
    """The share of frames that were missed, with a bound by how it differs from visit to visit (ratio estimator).

    Args:
        missed: [n], of frames that matter: whether, or with what chance, each was missed.
        visit: as of `threshold`.
    """
    from scipy.special import stdtrit

    names, index = np.unique(visit, return_inverse=True)
    if len(names) < _FEWEST:
        return Bound(float(missed.mean()) if len(missed) else 0.0, 1.0)
    frames = np.bincount(index).astype(float)
    lost = np.bincount(index, weights=missed)
    share = lost.sum() / frames.sum()
    off = lost - share * frames
    error = np.sqrt((off**2).sum() * len(names) / (len(names) - 1)) / frames.sum()
    return Bound(float(share), float(min(1.0, share + stdtrit(len(names) - 1, CONFIDENCE) * error)))


def _critical_of_each(scores: NDArray[np.floating], visit: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """`_critical` of each visit: float64 [visits]."""
    return np.array([_critical(scores[visit == one], share) for one in np.unique(visit)])


def _critical(scores: NDArray[np.floating], share: float) -> float:
    """The highest threshold under which no more than this share of a visit's frames falls."""
    return float(np.sort(scores)[int(len(scores) * share)])


def _factor(count: int, freedom: float, covered: float) -> float:
    """By how many deviations under the mean of so many normal values a limit lies that this share of all is above."""
    from scipy.special import nctdtrit, ndtri

    root = np.sqrt(count)
    return float(nctdtrit(freedom, ndtri(covered) * root, CONFIDENCE) / root)


def _by_order(critical: NDArray[np.float64], share: float) -> float:
    """The highest of the sorted values under which no more than this share of all lies; -inf where none is known to."""
    from scipy.special import betaincinv

    under = np.arange(len(critical))
    within = np.flatnonzero(betaincinv(under + 1, len(critical) - under, CONFIDENCE) <= share)
    return float(critical[within[-1]]) if len(within) else -np.inf
