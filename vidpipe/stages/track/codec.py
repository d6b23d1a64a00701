"""Boxes moved from picture to picture by the motion vectors of the codec.

The encoder has sought already where each block of a picture came from. Boxes that go where the median of the vectors
inside them goes last about as long as boxes that follow points. Vectors serve compression, not tracking: those of flat
ground are noise, and a box holds ground as well as its thing. So the inner part of a box is asked, at a fixed raster of
points, all boxes at once. The vectors of a picture tell of one step only: those of several pictures are gathered, and
boxes are moved by all of them together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.motion import CELL, Motion
from vidpipe.models.boxes import shifted
from vidpipe.stages.track.flow import Moved, hidden, median, no_points

_INNER = 0.5  # of width and height, that is asked
_SIDE = np.linspace(-_INNER / 2, _INNER / 2, 4, dtype=np.float32)
_RASTER = np.stack(np.meshgrid(_SIDE, _SIDE)).reshape(2, 1, -1)  # of points, in sides of a box from its middle
_GOES_ON = 1.0  # what the last velocity weighs beside the points, in points
_HALF_S = 0.1  # in which a new velocity takes over half of the old one: single vectors are whole steps of the encoder
_STILL_PX = 0.25  # a step: slower than that a block stands still, as far as its vector tells
_MOVES = 0.3  # share of the points that move, from which those that stand still are ground
_AGREES_PX, _AGREES = 1.0, 0.5  # pixels, and share of the shift, within which of the median a point agrees with it
_GROWTH = 0.2  # most that a box grows or shrinks in a second: beyond it is noise
_LONGEST_S = 0.2  # for which a box goes on as it went where the vectors do not reach back: longer gaps say it rests
_SLACK_S = 1e-3
_GAPS = 0.5  # share of a step of which nothing may be known, for boxes to go on through it as in the rest


class Gathered:
    """The vectors of the pictures since boxes were moved last."""

    def __init__(self) -> None:
        self._motions: list[tuple[Motion, float]] = []
        self._seconds = 0.0

    def add(self, motion: Motion, seconds: float) -> None:
        """The next picture has come.

        Args:
            seconds: since the one before, or since boxes were moved.
        """
        self._motions.append((motion, seconds))
        self._seconds += seconds

    def is_far(self, velocity: NDArray[np.float32]) -> bool:
        """Whether some box has left the cell that it was in since: vectors lie where a thing is in their picture.

        Args:
            velocity: [n, 2], of all boxes, pixels a second.
        """
        return bool(np.abs(velocity).max(initial=0) * self._seconds > CELL)

    def take(self) -> Motion | None:
        """All of them as those of one picture, the newest; nothing is gathered afterwards. None: there was nothing."""
        motions, seconds = self._motions, self._seconds
        self._motions, self._seconds = [], 0.0
        if len(motions) < 2:
            return motions[0][0] if motions else None
        newest = motions[-1][0]
        like = [each for each in motions if each[0].known.shape == newest.known.shape]
        told = self._told(like)
        known_s = sum(own_s for _, own_s in told)
        if known_s < (1 - _GAPS) * seconds:
            return newest._replace(known=np.zeros_like(newest.known), reach_s=0.0)
        shift, weight = np.zeros_like(newest.velocity), np.zeros(newest.known.shape, np.float32)
        for motion, own_s in told:
            shift += motion.velocity * np.float32(own_s)
            weight += motion.known * np.float32(own_s)
        known = weight > 0
        shift /= np.where(known, weight, np.float32(1))[..., None]
        first, first_s = motions[0]
        return newest._replace(velocity=shift, known=known, reach_s=seconds + max(0.0, first.reach_s - first_s))

    @staticmethod
    def _told(motions: list[tuple[Motion, float]]) -> list[tuple[Motion, float]]:
        """Each with the media seconds that it tells of: back to the one before that told something, if it reaches."""
        told, untold_s = [], 0.0
        for motion, seconds in motions:
            untold_s += seconds
            own_s = min(untold_s, motion.reach_s + _SLACK_S)
            if motion.reach_s > 0:
                told.append((motion, own_s))
                untold_s = 0.0
        return told


def move(
    motion: Motion,
    boxes: NDArray[np.float32],
    velocity: NDArray[np.float32],
    seconds: float,
    blind_s: NDArray[np.float32],
) -> Moved:
    """Boxes [n, 4] moved on to the picture of these vectors.

    Args:
        velocity: [n, 2], how far each is expected to go, pixels of the source.
        seconds: since the boxes were where they are, more than 0.
        blind_s: [n], for how long before each has only gone on as it went: so far as the vectors reach back over that
            time (over B-frames that tell nothing), they say better where it is.

    Returns:
        `trust` is the share of the points that have a vector and agree; nothing is followed that could be.
    """
    none = no_points(len(boxes))
    if seconds > motion.reach_s + _SLACK_S or not motion.known.any():
        on = velocity * np.float32(min(1.0, _LONGEST_S / seconds))
        return Moved(shifted(boxes, on), velocity, none, np.zeros(len(boxes), np.float32))
    there = shifted(boxes, velocity)
    low, high = there.T.reshape(2, 2, -1)
    size = high - low
    points = ((low + high) / 2)[..., None] + size[..., None] * _RASTER
    shift, known = motion.at(points)
    shift *= np.float32(seconds)
    if _overlap(there):
        known &= ~hidden(points.transpose(1, 2, 0), there)
    alive = _moving(shift, known)
    count = np.add.reduce(alive, axis=1, dtype=np.float32)
    middle = median(shift, alive)
    apart = shift - middle[..., None]
    near = np.abs(apart) <= (_AGREES_PX + _AGREES * np.abs(middle))[..., None]
    agree = alive & near[0] & near[1]
    agreeing = np.add.reduce(agree, axis=1, dtype=np.float32)
    bridged = 1 + np.minimum(blind_s, max(0.0, motion.reach_s - seconds)) / np.float32(seconds)
    off = (middle.T - velocity) * (count / (count + _GOES_ON))[:, None]
    on = velocity + off * bridged[:, None]
    limit = _GROWTH * seconds
    larger = (size * (np.clip(_growth(points, apart, agree, agreeing), -limit, limit) / 2)).T
    renewed = 1 - 0.5 ** (bridged * np.float32(seconds / _HALF_S))
    return Moved(
        boxes + np.concatenate([on - larger, on + larger], axis=1),
        velocity + renewed[:, None] * off,
        none,
        agreeing / np.maximum(count, 1),
    )


def _growth(
    points: NDArray[np.float32], shift: NDArray[np.float32], alive: NDArray[np.bool_], count: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How much larger each box has become, [n], as a share: the slope of shifts over the points that are alive.

    Args:
        points, shift: [2, n, points].
        count: of those that are alive, [n].
    """
    centre = np.add.reduce(points * alive, axis=2) / np.maximum(count, 1)
    off = (points - centre[..., None]) * alive
    spread, slope = (np.add.reduce(off * by, axis=(0, 2)) for by in (off, shift))
    growth: NDArray[np.float32] = slope / np.maximum(spread, 1)
    return growth


def _overlap(boxes: NDArray[np.float32]) -> bool:
    """Whether any two boxes do: else no point of one lies in another."""
    meet = (boxes[:, None, :2] < boxes[None, :, 2:]).all(axis=2)
    return bool(np.count_nonzero(meet & meet.T) > len(boxes))


def _moving(shift: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The points [n, points] to go by: of a box that clearly moves, only those that do."""
    moves = np.abs(shift) >= _STILL_PX
    moving = (moves[0] | moves[1]) & known
    share = np.add.reduce(moving, axis=1, dtype=np.float32) / np.maximum(np.add.reduce(known, axis=1), 1)
    chosen: NDArray[np.bool_] = np.where((share > _MOVES)[:, None], moving, known)
    return chosen
