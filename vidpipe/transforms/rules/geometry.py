"""Which points lie in which zones, and which ways cross which lines: all at once, as arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.sources.base import Line, Polygon

Points = NDArray[np.float64]
"""x, y in parts of width and height, [n, 2]."""


class Zones:
    """Polygons; a point is inside by the even-odd rule."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        edges = [edge for polygon in polygons for edge in zip(polygon, polygon[1:] + polygon[:1], strict=True)]
        ends = np.array(edges, np.float64).reshape(-1, 2, 2)
        self._count = len(polygons)
        self._first = np.cumsum([0, *map(len, polygons)])[:-1]
        self._y0, self._y1 = ends[:, 0, 1], ends[:, 1, 1]
        rise = self._y1 - self._y0
        self._slope = np.divide(ends[:, 1, 0] - ends[:, 0, 0], rise, out=np.zeros_like(rise), where=rise != 0)
        self._x = ends[:, 0, 0] - self._slope * self._y0

    def inside(self, points: Points) -> NDArray[np.bool_]:
        """Whether each point lies in each zone, [n, zones]."""
        if not self._count:
            return np.zeros((len(points), 0), bool)
        y = points[:, 1:]
        right = (self._y0 <= y) != (self._y1 <= y)
        right &= points[:, :1] < self._x + self._slope * y
        return np.logical_xor.reduceat(right, self._first, axis=1)


class Crossed(NamedTuple):
    """A way over a line.

    Attributes:
        row: of the way.
        line: which one.
        sign: 1 from left to right for one who walks along the line, -1 the other way.
        part: how much of the way lies before the line, 0..1.
    """

    row: int
    line: int
    sign: int
    part: float


class Lines:
    """Lines of two points or more."""

    def __init__(self, lines: Sequence[Line]) -> None:
        segments = [(number, *ends) for number, line in enumerate(lines) for ends in zip(line, line[1:], strict=False)]
        self._line = np.array([number for number, *_ in segments], np.intp)
        self._from = np.array([start for _, start, _ in segments], np.float64).reshape(-1, 2)
        self._to = np.array([end for _, _, end in segments], np.float64).reshape(-1, 2)
        along = self._to - self._from
        # To the right of one who walks along a line is what is more than 0 by these, as y counts downwards.
        self._nx, self._ny = -along[:, 1], along[:, 0]
        self._offset = -(self._from[:, 0] * self._nx + self._from[:, 1] * self._ny)

    def crossed(self, before: Points, now: Points) -> list[Crossed]:
        """What the straight ways from `before` to `now`, a row each, cross.

        An end on the line counts as left of it, so that a way which goes on from there crosses once.
        """
        was, is_ = self._right_of(before), self._right_of(now)
        apart = (was > 0) != (is_ > 0)
        if not apart.any():
            return []
        rows, segments = apart.nonzero()
        start, way = before[rows], now[rows] - before[rows]
        side_from = _cross(way, self._from[segments] - start) > 0
        meets = side_from != (_cross(way, self._to[segments] - start) > 0)
        rows, segments = rows[meets], segments[meets]
        was, is_ = was[rows, segments], is_[rows, segments]
        return [
            Crossed(row, line, 1 if old <= 0 else -1, old / (old - new))
            for row, line, old, new in zip(
                rows.tolist(), self._line[segments].tolist(), was.tolist(), is_.tolist(), strict=True
            )
        ]

    def _right_of(self, points: Points) -> NDArray[np.float64]:
        """How far points are to the right of segments, [n, segments]; of a point it is the same whoever is beside it.

        A product of matrices would not be: a point on a line could be left of it once, and right of it the next time.
        """
        right: NDArray[np.float64] = points[:, :1] * self._nx + points[:, 1:] * self._ny + self._offset
        return right

    def distance(self, line: int, x: float, y: float, aspect: float) -> float:
        """How far a point is from a line, in parts of the picture's height.

        Args:
            aspect: width of the picture by its height.
        """
        own = (self._line == line).nonzero()[0].tolist()
        return min(_distance(self._from[k], self._to[k], x, y, aspect) for k in own)


def _cross(one: Points, other: Points) -> NDArray[np.float64]:
    crossed: NDArray[np.float64] = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return crossed


def _distance(start: NDArray[np.float64], end: NDArray[np.float64], x: float, y: float, aspect: float) -> float:
    (ax, ay), (bx, by) = start.tolist(), end.tolist()
    dx, dy, px, py = (bx - ax) * aspect, by - ay, (x - ax) * aspect, y - ay
    length2 = dx * dx + dy * dy
    part = min(1.0, max(0.0, (px * dx + py * dy) / length2)) if length2 else 0.0
    return math.hypot(px - part * dx, py - part * dy)
