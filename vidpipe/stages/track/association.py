"""How likely each box that a look has found shows each thing that is known: by where it is, and by what it looks like.

Two guesses say where a thing should be: its filter's, and where flow has it. Each is nearly always right, and where it
is wrong it is far off: the filter where somebody stops or turns, flow where one passes before another and takes it along.
So a thing is near the one or near the other, not between them: a mixture, and no mean. Boxes of what is hidden in part are
cut on one side, so the edge that is off least says how far a box is off.

How alike two looks at one thing are, and how alike two things, hangs on light, camera and clothes: that is learnt on the
stream. Where all look the same, or the picture is grey, colours come to say nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import area, intersection
from vidpipe.stages.track.appearance import apart
from vidpipe.stages.track.things import MEASURED, Things, size_of

_FLOW = 0.04**2  # variance of where flow has a thing when it is right, sizes squared, and what a second adds to it
_FLOW_DRIFT = 0.08**2
_FLOW_RIGHT = 0.8  # how often it is
_GROWS = 0.3  # by which factor sizes differ from look to look, as a logarithm
_NEW = 0.1  # things that come, a size squared and look: a box begins a new one where nothing explains it better
_BACK = 0.7  # how likely a thing that was lost is found again
_LEARN = 0.05  # share of a look in what is learnt of colours
_CLEAR = 0.15  # share of a box that others may hide for its colours to be its own


class Likeness:
    """What colours tell, learnt on a stream.

    Attributes:
        same: mean difference of two looks at one thing (see `appearance.apart`).
        others: of two things in one picture.
    """

    def __init__(self) -> None:
        self.same, self.others = 0.2, 0.5

    def learn(self, same: NDArray[np.float64], others: NDArray[np.float64]) -> None:
        """Differences that a look has shown."""
        if len(same):
            self.same += _LEARN * (float(np.minimum(same, 3 * self.same).mean()) - self.same)
        if len(others):
            self.others += _LEARN * (float(others.mean()) - self.others)

    def evidence(self, differ: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log likelihood that it is one thing rather than two, for such differences."""
        same = max(self.same, 0.02)
        likely: NDArray[np.float64] = np.log(2 * max(self.others, same) / same) - differ / same
        return np.clip(likely, -4.0, 2.0)


def worth(
    things: Things,
    flowed: NDArray[np.float64],
    follows: NDArray[np.bool_],
    seconds: float,
    found: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log likelihood that each found box is each thing rather than a new one, by place alone: [n, m].

    Args:
        things: as of now.
        flowed: where flow has each now, [n, 4], of those that it follows [n].
        seconds: since the last look.
        found: boxes [m, 4], classes apart.
    """
    size = things.size
    spread = things.covariance[:, 0, 0] + MEASURED
    filtered = _log_density(_off(things.boxes, found, size), spread)
    flow_spread = np.full(len(size), MEASURED + _FLOW + _FLOW_DRIFT * seconds)
    right = np.where(follows, _FLOW_RIGHT, 0.0)
    by_flow = _log_density(_off(np.where(follows[:, None], flowed, things.boxes), found, size), flow_spread)
    with np.errstate(divide="ignore"):
        both = np.logaddexp(np.log(1 - right)[:, None] + filtered, np.log(right)[:, None] + by_flow)
    grown = np.log(size_of(found) / size[:, None]) / _GROWS
    lost = np.where(things.unseen_s > seconds + 1e-6, np.log(_BACK), 0.0)
    return both - np.minimum(grown**2 / 2, 4.0) + lost[:, None] - np.log(_NEW)


def _off(boxes: NDArray[np.float64], found: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each found box [m, 4] is from each guess [n, 4], sizes squared [n, m]: by the edges that are off least."""
    edges = (found - boxes[:, None]) / size[:, None, None]
    low, high = edges[..., :2], edges[..., 2:]
    least = np.minimum(np.minimum(np.abs(low), np.abs(high)), np.abs(low + high) / 2)
    squared: NDArray[np.float64] = np.square(least).sum(axis=-1)
    return squared


def _log_density(squared: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a normal distribution in the plane, by variance of each row."""
    density: NDArray[np.float64] = -squared / (2 * spread[:, None]) - np.log(2 * np.pi * spread)[:, None]
    return density


def hidden_share(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each box that the one that hides most of it hides, [m]: cameras look down, so what stands lower is nearer."""
    shared = intersection(boxes[:, None], boxes)
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    share: NDArray[np.float64] = (shared * nearer).max(axis=1, initial=0.0) / np.maximum(area(boxes), 1.0)
    return share
