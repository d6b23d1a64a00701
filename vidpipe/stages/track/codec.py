"""Boxes moved from picture to picture by the motion vectors of the codec.

The encoder has sought already where each block of a picture came from. To read that costs a tenth of following points
anew, and boxes that go where the median of the vectors inside them goes last about as long. Vectors serve compression,
not tracking: those of flat ground are noise, and a box holds ground as well as its thing. So the inner part of a box is
asked, at a fixed raster of points, all boxes at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.motion import Motion
from vidpipe.stages.track.flow import Moved, hidden, median, no_points

_INNER = 0.6  # of width and height, that is asked
_SIDE = np.linspace(-_INNER / 2, _INNER / 2, 5)
_X, _Y = (axis.ravel() for axis in np.meshgrid(_SIDE, _SIDE))  # of the points, in sides of a box from its middle
_GOES_ON = 1.0  # what the last velocity weighs beside the points, in points
_HALF_S = 0.1  # in which a new velocity takes over half of the old one: single vectors are whole steps of the encoder
_STILL_PX = 0.25  # a step: slower than that a block stands still, as far as its vector tells
_MOVES = 0.3  # share of the points that move, from which those that stand still are ground
_OUTLIER = 2.5  # times the median distance from the median, and a pixel: beyond that a point does not agree
_LONGEST_S = 0.2  # for which a box goes on as it went where the vectors do not reach back: longer gaps say it rests
_SLACK_S = 1e-3


def move(motion: Motion, boxes: NDArray[np.float32], velocity: NDArray[np.float32], seconds: float) -> Moved:
    """Boxes [n, 4] moved on to the picture of these vectors.

    Args:
        velocity: [n, 2], how far each is expected to go, pixels of the source.
        seconds: since the boxes were where they are, more than 0.

    Returns:
        `trust` is the share of the points that have a vector and agree; nothing is followed that could be.
    """
    none = no_points(len(boxes))
    if seconds > motion.reach_s + _SLACK_S or not motion.known.any():
        on = velocity * np.float32(min(1.0, _LONGEST_S / seconds))
        gone = boxes + np.concatenate([on, on], axis=1)
        return Moved(gone, velocity, none, np.zeros(len(boxes), np.float32))
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + velocity
    size = boxes[:, 2:] - boxes[:, :2]
    x, y = middle[:, :1] + size[:, :1] * _X, middle[:, 1:] + size[:, 1:] * _Y
    shift, known = motion.at(x, y)
    shift = shift * np.float32(seconds)
    if len(boxes) > 1:
        known = known & ~hidden(np.stack([x, y], axis=2), boxes + np.concatenate([velocity, velocity], axis=1))
    alive = _moving(shift, known)
    centre = median(shift, alive)
    apart = np.abs(shift - centre[:, None]).sum(axis=2)
    agree = alive & (apart <= 1 + _OUTLIER * median(apart[..., None], alive))
    count = alive.sum(axis=1)
    weight = (count / (count + _GOES_ON))[:, None]
    on = centre * weight + velocity * (1 - weight)
    half = np.float32(1 - 0.5 ** (seconds / _HALF_S))
    return Moved(
        (boxes + np.concatenate([on, on], axis=1)).astype(np.float32),
        (velocity + half * (on - velocity)).astype(np.float32),
        none,
        (agree.sum(axis=1) / np.maximum(count, 1) * (count > 0)).astype(np.float32),
    )


def _moving(shift: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The points [n, points] to go by: of a box that clearly moves, only those that do."""
    moves = known & (np.abs(shift).max(axis=2) >= _STILL_PX)
    clearly = moves.sum(axis=1) >= _MOVES * np.maximum(known.sum(axis=1), 1)
    moving: NDArray[np.bool_] = np.where(clearly[:, None], moves, known)
    return moving
