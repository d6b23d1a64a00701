"""Which points lie in which zones, which ways cross which lines, and how far points may go until that can change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.sources.base import Line, Polygon

Points = NDArray[np.float64]
"""x, y in parts of width and height, [n, 2]."""


class Crossed(NamedTuple):
    """A way over a line.

    Attributes:
        way: which one.
        line: which one.
        sign: 1 from left to right for one who walks along the line, -1 the other way.
        part: how much of the way lies before the line, 0..1.
    """

    way: int
    line: int
    sign: int
    part: float


class Geometry:
    """The zones and lines of a stream."""

    def __init__(self, zones: Sequence[Polygon], lines: Sequence[Line]) -> None:
        sides = [side for zone in zones for side in pairwise([*zone, zone[0]])]
        self._lines = [list(pairwise(line)) for line in lines]
        segments = [segment for line in self._lines for segment in line]
        self._zones, self._sides = len(zones), len(sides)
        self._first = np.cumsum([0, *map(len, zones)])[:-1]
        self._line_of = np.repeat(np.arange(len(lines)), [len(line) for line in self._lines])
        ends = np.array([*sides, *segments], np.float64).reshape(-1, 2, 2)
        self._from, self._to = ends[:, 0], ends[:, 1]
        along = self._to - self._from
        # What is more than 0 by these is to the right of one who walks along, as y counts downwards.
        length = np.hypot(along[:, 0], along[:, 1])
        self._nx, self._ny = -along[:, 1] / length, along[:, 0] / length
        self._offset = -(self._from[:, 0] * self._nx + self._from[:, 1] * self._ny)
        self._right = tuple(each[self._sides :] for each in (self._nx, self._ny, self._offset))  # of lines alone
        self._low, self._high = ends.min(axis=1), ends.max(axis=1)
        rise = along[: self._sides, 1]
        self._slope = np.divide(along[: self._sides, 0], rise, out=np.zeros_like(rise), where=rise != 0)
        self._x = ends[: self._sides, 0, 0] - self._slope * ends[: self._sides, 0, 1]

    def inside(self, points: Points) -> NDArray[np.bool_]:
        """Whether each point lies in each zone, by the even-odd rule, [n, zones]."""
        if not self._zones:
            return np.zeros((len(points), 0), bool)
        y = points[:, 1:]
        left = (self._from[: self._sides, 1] <= y) != (self._to[: self._sides, 1] <= y)
        left &= points[:, :1] < self._x + self._slope * y
        return np.logical_xor.reduceat(left, self._first, axis=1)

    def room(self, points: Points) -> NDArray[np.float64]:
        """How far each point may go in any direction before it comes to a side of a zone or a line, at least, [n].

        The distance from the straight line through a segment is none too great, nor is that from its bounding box.
        """
        if not len(self._from):
            return np.full(len(points), np.inf)
        x, y = points[:, :1], points[:, 1:]
        away = np.abs(x * self._nx + y * self._ny + self._offset)
        for of_points, low, high in ((x, self._low[:, 0], self._high[:, 0]), (y, self._low[:, 1], self._high[:, 1])):
            np.maximum(away, low - of_points, out=away)
            np.maximum(away, of_points - high, out=away)
        room: NDArray[np.float64] = away.min(axis=1)
        return room

    def crossed(self, before: Points, now: Points) -> list[Crossed]:
        """What the straight ways from `before` to `now` cross, lines only.

        An end on a line counts as left of it, so that a way which goes on from there crosses once.
        """
        if not self._lines:
            return []
        was, is_ = self._right_of(before), self._right_of(now)
        apart = (was > 0) != (is_ > 0)
        if not apart.any():
            return []
        ways, segments = apart.nonzero()
        start, way = before[ways], now[ways] - before[ways]
        from_side = _cross(way, self._from[self._sides + segments] - start) > 0
        meets = from_side != (_cross(way, self._to[self._sides + segments] - start) > 0)
        ways, segments = ways[meets], segments[meets]
        sides = was[ways, segments].tolist(), is_[ways, segments].tolist()
        numbers = ways.tolist(), self._line_of[segments].tolist()
        return [
            Crossed(way, line, 1 if old <= 0 else -1, old / (old - new))
            for way, line, old, new in zip(*numbers, *sides, strict=True)
        ]

    def distance(self, line: int, x: float, y: float, aspect: float) -> float:
        """How far a point is from a line, in parts of the picture's height.

        Args:
            aspect: width of the picture by its height.
        """
        return min(_distance(*start, *end, x, y, aspect) for start, end in self._lines[line])

    def _right_of(self, points: Points) -> NDArray[np.float64]:
        """How far points are to the right of lines, [n, segments]; of a point it is the same whoever is beside it.

        A product of matrices would not be: a point on a line could be left of it once, and right of it the next time.
        """
        nx, ny, offset = self._right
        right: NDArray[np.float64] = points[:, :1] * nx + points[:, 1:] * ny + offset
        return right


def _cross(one: Points, other: Points) -> NDArray[np.float64]:
    crossed: NDArray[np.float64] = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return crossed


def _distance(ax: float, ay: float, bx: float, by: float, x: float, y: float, aspect: float) -> float:
    dx, dy, px, py = (bx - ax) * aspect, by - ay, (x - ax) * aspect, y - ay
    length2 = dx * dx + dy * dy
    part = min(1.0, max(0.0, (px * dx + py * dy) / length2)) if length2 else 0.0
    return math.hypot(px - part * dx, py - part * dy)
