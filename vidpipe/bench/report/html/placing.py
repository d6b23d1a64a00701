"""Labels of points that lie close together, so that none covers another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """In pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def shared(self, other: Rect) -> float:
        """The area that both cover."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True, slots=True)
class Label:
    """Where a label stands; `far` asks for a line from its point."""

    rect: Rect
    far: bool


_NEAR = 9.0
_RADII = (_NEAR, 18.0, 28.0, 40.0, 54.0, 70.0, 88.0, 108.0, 130.0, 160.0)
_ANGLES = tuple(math.radians(degrees) for degrees in (0, 180, 30, -30, 150, -150, 60, -60, 120, -120, 90, -90))


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    inside: Rect,
    taken: Sequence[Rect] = (),
) -> list[Label]:
    """One label for each point, in order of importance: the first gets the best place.

    Args:
        points: what is labelled; no label covers one of them.
        sizes: width and height of each label.
        inside: no label leaves it.
        taken: what labels should not cover if they can help it.
    """
    dots = [Rect(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    placed: list[Label] = []
    for point, size in zip(points, sizes, strict=True):
        hard = [*dots, *(label.rect for label in placed)]
        placed.append(min(_candidates(point, size, inside), key=lambda label: _price(label, point, hard, taken)))
    return placed


def _candidates(point: tuple[float, float], size: tuple[float, float], inside: Rect) -> list[Label]:
    """Labels around the point, nearer ones first, pushed back where they would leave the plot."""
    width, height = size
    labels = []
    for radius in _RADII:
        for angle in _ANGLES:
            dx, dy = math.cos(angle), -math.sin(angle)
            x = point[0] + radius * dx + (dx - 1) / 2 * width
            y = point[1] + radius * dy + (dy - 1) / 2 * height
            x = min(max(x, inside.x0), inside.x1 - width)
            y = min(max(y, inside.y0), inside.y1 - height)
            labels.append(Label(Rect(x, y, x + width, y + height), radius > _NEAR))
    return labels


def _price(label: Label, point: tuple[float, float], hard: Sequence[Rect], soft: Sequence[Rect]) -> float:
    """To cover points or labels is worse than to stand anywhere else; to cover lines is merely a pity."""
    rect = label.rect
    covered = sum(rect.shared(other) for other in hard)
    crossed = sum(rect.shared(other) for other in soft)
    x, y = point
    distance = math.hypot(max(rect.x0 - x, 0, x - rect.x1), max(rect.y0 - y, 0, y - rect.y1))
    return 1000 * covered + 0.6 * crossed + distance
