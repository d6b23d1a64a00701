"""Which zones a point lies in, and which lines a way crosses.

Both are asked for each object of each result, and nearly all answers are those of the result before. So they are worked
out in advance for the cells of a grid. In a cell through which borders go only the zones that these are of are
computed, and of lines only those whose bounding box meets that of the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.sources.base import Line, Polygon

_CELLS = 128  # along each side of the picture, and one more, for what lies on its right and lower edge
_ROUNDING = 1e-6
_HALF = math.sqrt(0.5) / _CELLS + 1e-9  # from the middle of a cell to its corner


class Crossed(NamedTuple):
    """A way over a line.

    Attributes:
        line: which one.
        sign: 1 from left to right for one who walks along the line, -1 the other way.
        part: how much of the way lies before the line, 0..1.
    """

    line: int
    sign: int
    part: float


class _Segment(NamedTuple):
    """A part of a line; a point is to the right of one who walks along it by x * nx + y * ny + offset."""

    line: int
    ax: float
    ay: float
    bx: float
    by: float
    nx: float
    ny: float
    offset: float


class Geometry:
    """The zones and lines of a stream; points are x, y in parts of width and height."""

    def __init__(self, zones: Sequence[Polygon], lines: Sequence[Line]) -> None:
        self._given = zones, lines
        self._zones = [_sides(zone) for zone in zones]
        # Y counts downwards: right of one who walks to the right is below.
        self._segments = [
            _Segment(number, ax, ay, bx, by, ay - by, bx - ax, ax * (by - ay) - ay * (bx - ax))
            for number, line in enumerate(lines)
            for (ax, ay), (bx, by) in pairwise(line)
        ]
        self._boxed = [(*_box(segment), segment) for segment in self._segments]
        self._of_line = [[each for each in self._segments if each.line == number] for number in range(len(lines))]
        from_lines = _away([(segment.ax, segment.ay, segment.bx, segment.by) for segment in self._segments])
        from_zones = [_away(_borders(zone)) for zone in zones]
        # A way that is shorter crosses none of them, wherever in its cell it begins.
        room, calm = (
            (np.maximum(away - _HALF, 0) ** 2).tolist()
            for away in (from_lines, np.minimum.reduce([from_lines, *from_zones]))
        )
        self._cells = [
            [(*known, *ways) for known, *ways in zip(*rows, strict=True)]
            for rows in zip(_by_cell(zones, from_zones), room, calm, strict=True)
        ]

    def __reduce__(self) -> Any:
        return Geometry, self._given  # the grid is large, and soon made

    def at(self, x: float, y: float) -> tuple[tuple[int, ...], float, float]:
        """The zones that a point in the picture lies in, by the even-odd rule, and the squares of how far it may go, at
        least, without crossing a line, and without crossing a line or the border of a zone.
        """
        zones, mixed, room, calm = self._cells[int(y * _CELLS)][int(x * _CELLS)]
        if mixed:
            beside = [number for number in mixed if _is_inside(self._zones[number], x, y)]
            if beside:
                zones = tuple(sorted([*zones, *beside]))
        return zones, room, calm

    def crossed(self, x0: float, y0: float, x1: float, y1: float) -> list[Crossed]:
        """The lines that a straight way crosses.

        An end on a line counts as left of it, so that a way which goes on from there crosses once.
        """
        dx, dy = x1 - x0, y1 - y0
        left, right = (x0, x1) if x0 < x1 else (x1, x0)
        upper, lower = (y0, y1) if y0 < y1 else (y1, y0)
        crossed = []
        for least_x, least_y, most_x, most_y, segment in self._boxed:
            if right < least_x or left > most_x or lower < least_y or upper > most_y:
                continue
            line, ax, ay, bx, by, nx, ny, offset = segment
            was, is_ = x0 * nx + y0 * ny + offset, x1 * nx + y1 * ny + offset
            if (was > 0) == (is_ > 0):
                continue
            if (dx * (ay - y0) - dy * (ax - x0) > 0) != (dx * (by - y0) - dy * (bx - x0) > 0):
                crossed.append(Crossed(line, 1 if was <= 0 else -1, was / (was - is_)))
        return crossed

    def distance(self, line: int, x: float, y: float, aspect: float) -> float:
        """How far a point is from a line, in parts of the picture's height.

        Args:
            aspect: width of the picture by its height.
        """
        first, *others = self._of_line[line]
        nearest = _distance(first, x, y, aspect)
        return min(nearest, *(_distance(segment, x, y, aspect) for segment in others)) if others else nearest


def _box(segment: _Segment) -> tuple[float, float, float, float]:
    """The bounding box of a segment, with what the rounding of products may add to it."""
    (left, right), (upper, lower) = sorted((segment.ax, segment.bx)), sorted((segment.ay, segment.by))
    return left - _ROUNDING, upper - _ROUNDING, right + _ROUNDING, lower + _ROUNDING


_Side = tuple[float, float, float, float]
"""Of a zone, from upper end to lower end: y of both, and the x at y = 0 and slope of the straight line through them."""


def _sides(zone: Polygon) -> list[_Side]:
    sides = []
    for (ax, ay), (bx, by) in pairwise([*zone, zone[0]]):
        if ay != by:  # a point is never beside a level side
            slope = (bx - ax) / (by - ay)
            sides.append((min(ay, by), max(ay, by), ax - slope * ay, slope))
    return sides


def _is_inside(sides: Sequence[_Side], x: float, y: float) -> bool:
    inside = False
    for upper, lower, start, slope in sides:
        if upper <= y < lower and x < start + slope * y:
            inside = not inside
    return inside


_Cell = tuple[tuple[int, ...], tuple[int, ...]]
"""The zones that all of a cell lies in, and those of which a border may go through it."""


def _by_cell(zones: Sequence[Polygon], away: Sequence[NDArray[np.float64]]) -> list[list[_Cell]]:
    """What is known of each cell, by row and column.

    Args:
        away: of each zone, how far the middles of cells are from its border.
    """
    middles = (np.arange(_CELLS + 1) + 0.5) / _CELLS
    inside, mixed = np.zeros((2, _CELLS + 1, _CELLS + 1, len(zones)), bool)
    for number, zone in enumerate(zones):
        for upper, lower, start, slope in _sides(zone):
            rows = (upper <= middles) & (middles < lower)
            inside[:, :, number] ^= rows[:, None] & (middles < (start + slope * middles)[:, None])
        mixed[:, :, number] = away[number] <= _HALF
    bits = np.packbits(np.concatenate([inside & ~mixed, mixed], axis=2), axis=2)
    width = bits.shape[2]
    known: dict[bytes, _Cell] = {}  # one tuple for all cells that are alike
    table: list[list[_Cell]] = []
    for row in range(_CELLS + 1):
        packed = bits[row].tobytes()
        keys = (
            [packed[place : place + width] for place in range(0, len(packed), width)] if width else [b""] * (_CELLS + 1)
        )
        for column, key in enumerate(keys):
            if key not in known:
                open_ = mixed[row, column]
                sure = inside[row, column] & ~open_
                known[key] = tuple(np.flatnonzero(sure).tolist()), tuple(np.flatnonzero(open_).tolist())
        table.append([known[key] for key in keys])
    return table


def _borders(zone: Polygon) -> list[tuple[float, float, float, float]]:
    return [(*one, *other) for one, other in pairwise([*zone, zone[0]])]


def _away(segments: Sequence[tuple[float, float, float, float]]) -> NDArray[np.float64]:
    """How far the middle of each cell is from the nearest segment, [rows, columns]; infinite where there are none."""
    middles = (np.arange(_CELLS + 1) + 0.5) / _CELLS
    x, y = middles[None, :], middles[:, None]
    squares = np.full((_CELLS + 1, _CELLS + 1), np.inf)
    for ax, ay, bx, by in segments:
        dx, dy = bx - ax, by - ay
        length2 = dx * dx + dy * dy
        part = np.clip(((x - ax) * dx + (y - ay) * dy) / length2, 0, 1) if length2 else 0.0
        np.minimum(squares, (x - ax - part * dx) ** 2 + (y - ay - part * dy) ** 2, out=squares)
    away: NDArray[np.float64] = np.sqrt(squares)
    return away


def _distance(segment: _Segment, x: float, y: float, aspect: float) -> float:
    _, ax, ay, bx, by, _, _, _ = segment
    dx, dy = (bx - ax) * aspect, by - ay
    px, py = (x - ax) * aspect, y - ay
    length2 = dx * dx + dy * dy
    part = min(1.0, max(0.0, (px * dx + py * dy) / length2)) if length2 else 0.0
    return math.hypot(px - part * dx, py - part * dy)
