"""Rectangles side by side on as few canvases as rows allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Size = tuple[int, int]


class Spot(NamedTuple):
    """Where a rectangle came to lie: which canvas, and its upper left corner there in pixels."""

    canvas: int
    x: int
    y: int


class _Row:
    def __init__(self, canvas: int, y: int, height: int) -> None:
        self.canvas, self.y, self.height = canvas, y, height
        self.x = 0


def pack(sizes: Sequence[Size], canvas: Size, gap: int = 0) -> list[Spot] | None:
    """Lay rectangles on canvases by first-fit decreasing height (Coffman et al. 1980); nothing is scaled or turned.

    Args:
        sizes: (width, height) of each, in pixels.
        canvas: (width, height) of all canvases.
        gap: pixels that stay free between two rectangles.

    Returns:
        A spot for each, in the order given; canvases count from 0. None where one is larger than a canvas.
    """
    width, height = canvas
    if any(w > width or h > height for w, h in sizes):
        return None
    spots: dict[int, Spot] = {}
    rows: list[_Row] = []
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index][1], -sizes[index][0])):
        w, h = sizes[index]
        row = next((row for row in rows if row.x + w <= width), None) or _next_row(rows, h, height, gap)
        spots[index] = Spot(row.canvas, row.x, row.y)
        row.x += w + gap
    return [spots[index] for index in range(len(sizes))]


def _next_row(rows: list[_Row], needed: int, height: int, gap: int) -> _Row:
    """A new row of that height, on the first canvas that has room below its last one, else on a new canvas."""
    lowest = {row.canvas: row.y + row.height + gap for row in rows}
    canvas = next((canvas for canvas, y in lowest.items() if y + needed <= height), len(lowest))
    row = _Row(canvas, lowest.get(canvas, 0) if canvas in lowest else 0, needed)
    rows.append(row)
    return row
