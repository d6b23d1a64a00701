"""Rectangles side by side on as few canvases as shelves allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Size = tuple[int, int]


class Spot(NamedTuple):
    """Where a rectangle came to lie: which canvas, and its upper left corner there in pixels."""

    canvas: int
    x: int
    y: int


class _Shelf:
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
    shelves: list[_Shelf] = []
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index][1], -sizes[index][0])):
        w, h = sizes[index]
        shelf = next((shelf for shelf in shelves if shelf.x + w <= width), None) or _next_shelf(shelves, h, height, gap)
        spots[index] = Spot(shelf.canvas, shelf.x, shelf.y)
        shelf.x += w + gap
    return [spots[index] for index in range(len(sizes))]


def _next_shelf(shelves: list[_Shelf], needed: int, height: int, gap: int) -> _Shelf:
    """A new shelf of that height, on the first canvas that has room below its last one, else on a new canvas."""
    lowest = {shelf.canvas: shelf.y + shelf.height + gap for shelf in shelves}
    canvas = next((canvas for canvas, y in lowest.items() if y + needed <= height), len(lowest))
    shelf = _Shelf(canvas, lowest.get(canvas, 0) if canvas in lowest else 0, needed)
    shelves.append(shelf)
    return shelf
