"""How likely each box that a look has found shows each thing that is known: by where it is, and by what it looks like.

Two guesses say where a thing should be: its filter's, and where flow has it. Each is nearly always right, and far off
where it is wrong: the filter where somebody stops or turns, flow where one passes before another and takes it along. So
a thing is near the one or near the other, not between them: a mixture, and no mean. Boxes of what is hidden in part are
cut on one side, so the edges that are off least say how far a box is off.

How alike two looks at one thing are, and how alike two things, depends on light, camera and clothes: that is learnt on
the stream. Where all look the same, or the picture is dark, colours come to say nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import area, intersection
from vidpipe.stages.track.appearance import apart
from vidpipe.stages.track.things import MEASURED, Things, size_of

_FLOWED = 0.04**2  # variance of where flow has a thing when it is right, sizes squared
_FLOWED_S = 0.1**2  # and what a second adds to it
_FLOW_RIGHT = 0.5  # how far flow is believed beside the filter, where it follows the thing
_GROWS = 0.25  # by how much the logarithms of two boxes' sizes differ that show one thing
_NEW = 0.15  # new things a size squared: a box begins one where nothing that is known explains it better
_CLEAR = 0.15  # share of a box that others may hide for its colours to be its own
_LEARN = 0.05  # share of a look in what is learnt of colours
_DULL = 0.02  # mean difference of looks at one thing, at least: noise alone makes that much


class Likeness:
    """What colours tell, learnt on a stream. It begins with what differs in most.

    Attributes:
        same: mean difference of two looks at one thing (see `appearance.apart`).
        others: of two things in one picture.
    """

    def __init__(self) -> None:
        self.same, self.others = 0.2, 0.5

    def evidence(self, differ: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log likelihood that colours which differ so much are one thing's, rather than two things'.

        Looks at one thing differ by a Cauchy distribution, as somebody who turns around may look quite different; two
        things by anything up to twice their mean.
        """
        most = np.log(4 / np.pi * max(self.others, self.same) / self.same)
        likely: NDArray[np.float64] = most - np.log1p(np.square(differ / self.same))
        return likely

    def learn(
        self,
        seen: NDArray[np.float32],
        hidden: NDArray[np.float64],
        met: NDArray[np.bool_],
        was: NDArray[np.float32],
    ) -> None:
        """A look has shown things of colours `seen` [n, 9].

        Args:
            hidden: [n], the share of each that others hide: only what is clear is learnt from.
            met: [n], which of them were known.
            was: [m, 9], what those looked like before.
        """
        clear = hidden <= _CLEAR
        if clear[met].any():
            differ = apart(was, seen[met])[clear[met]]
            self.same += _LEARN * (max(float(np.minimum(differ, 3 * self.same).mean()), _DULL) - self.same)
        some = seen[clear]
        if len(some) > 1:
            every = apart(some[:, None], some).sum() / (len(some) * (len(some) - 1))
            self.others += _LEARN * (float(every) - self.others)


def by_place(
    things: Things,
    flowed: NDArray[np.float64],
    follows: NDArray[np.bool_],
    seconds: float,
    found: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log likelihood that each found box is each thing rather than a new one, by where it is: [n, m].

    Args:
        things: as of now.
        flowed: where flow has each now, [n, 4], of those that it follows [n].
        seconds: since the last look.
        found: boxes [m, 4], classes apart.
    """
    size = things.size
    by_filter = _density(things.boxes, found, size, things.covariance[:, 0, 0] + MEASURED)
    by_flow = _density(flowed, found, size, np.full(len(size), MEASURED + _FLOWED + _FLOWED_S * seconds))
    right = np.where(follows, _FLOW_RIGHT, 0.0)[:, None]
    grown = np.log(size_of(found) / size[:, None]) / _GROWS
    with np.errstate(divide="ignore"):  # what is far enough is impossible
        likely: NDArray[np.float64] = np.log((1 - right) * by_filter + right * by_flow) - np.log(_NEW)
    likely -= np.square(grown) / 2
    return likely


def _density(
    boxes: NDArray[np.float64], found: NDArray[np.float64], size: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of found boxes [m, 4] around each guess [n, 4]: normal, by its variance [n], a size squared; [n, m]."""
    squared = np.zeros((len(boxes), len(found)))
    for axis in (0, 1):  # each by itself: numpy takes three times as long where the innermost axis has few entries
        low, high = (found[:, edge] - boxes[:, edge, None] for edge in (axis, axis + 2))
        squared += np.square(np.minimum(np.minimum(np.abs(low), np.abs(high)), np.abs(low + high) / 2))
    density: NDArray[np.float64] = np.exp(squared / (-2 * spread * np.square(size))[:, None])
    density /= (2 * np.pi * spread)[:, None]
    return density


def hidden_share(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each box [m, 4] that another one hides, the one that hides most of it: [m].

    Cameras look down on the ground, so what stands lower in the picture stands in front.
    """
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    shared = intersection(boxes[:, None], boxes) * nearer
    share: NDArray[np.float64] = shared.max(axis=1, initial=0.0) / np.maximum(area(boxes), 1.0)
    return share
