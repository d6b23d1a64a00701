"""Whether zones and lines are such that something can be in them, and cross them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from vidpipe.pipeline.yaml.diagnostics import Keys
from vidpipe.pipeline.yaml.document import Document
from vidpipe.sources.base import Line, Polygon

if TYPE_CHECKING:
    from vidpipe.sources.view import View

Point = tuple[float, float]
K = TypeVar("K", bound=Hashable)

_SIDES = ((0, 0.0, "left"), (0, 1.0, "right"), (1, 0.0, "upper"), (1, 1.0, "lower"))
_GRID = 400  # columns and rows of the picture in which hidden parts are looked up
_SAMPLES = 50  # points of a line that are looked at


def check_zones(document: Document, stream: str) -> dict[str, Polygon]:
    """The zones of a stream that are well-formed; what is wrong with them becomes mistakes."""
    zones = _well_formed(document.mapping(("streams", stream, "zones")).items(), TypeAdapter(Polygon))
    for name, polygon in zones.items():
        keys: Keys = ("streams", stream, "zones", name)
        if crossing := _crosses_itself(polygon):
            first, second = crossing
            document.mistake(
                keys,
                f"its border crosses itself: side {first + 1}, from {_shown(polygon[first])}, and side {second + 1}, "
                f"from {_shown(polygon[second])}; write the corners in the order in which one walks around it",
            )
        elif _area(polygon) == 0:
            document.mistake(keys, "has no area: nothing can be in it")
    return zones


def check_lines(document: Document, stream: str) -> dict[str, Line]:
    """The same of lines."""
    lines = _well_formed(document.mapping(("streams", stream, "lines")).items(), TypeAdapter(Line))
    view = _view(document, stream)
    for name, line in lines.items():
        keys: Keys = ("streams", stream, "lines", name)
        side = next((side for axis, edge, side in _SIDES if all(point[axis] == edge for point in line)), None)
        if len(set(line)) == 1:
            document.mistake(keys, "is a single point: nothing can cross it")
        elif side is not None:
            document.mistake(
                keys, f"lies on the {side} edge of the picture, beyond which nothing is seen: move it inwards"
            )
        elif view is not None and _is_hidden(view, line):
            document.mistake(keys, "lies in parts of the picture that no stage sees (mask, regions): nobody crosses it")
    return lines


def _well_formed(written: Iterable[tuple[K, Any]], kind: TypeAdapter[Any]) -> dict[K, Any]:
    """What is written, by name or place, without what is not of this kind: that has been said."""
    sound: dict[K, Any] = {}
    for name, value in written:
        try:
            sound[name] = kind.validate_python(value)
        except ValidationError:
            continue
    return sound


def _crosses_itself(polygon: Sequence[Point]) -> tuple[int, int] | None:
    """Two sides that cross; sides that follow each other may only share a corner."""
    sides = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    for (first, one), (second, other) in combinations(enumerate(sides), 2):
        if _cross(*one, *other):
            return first, second
    return None


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether ab and cd cross, each within the other; to touch is not to cross."""
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, p: Point) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def _area(polygon: Sequence[Point]) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, [*polygon[1:], polygon[0]], strict=True)))


def _view(document: Document, stream: str) -> View | None:
    hidden: dict[str, list[Polygon]] = {}
    for field in ("mask", "regions"):
        written = document.value(("streams", stream, field))
        polygons = enumerate(written if isinstance(written, list) else [])
        hidden[field] = list(_well_formed(polygons, TypeAdapter(Polygon)).values())
    if not any(hidden.values()):
        return None
    from vidpipe.sources.view import View  # with FFmpeg and OpenCV behind it

    return View(**hidden)


def _is_hidden(view: View, line: Line) -> bool:
    import numpy as np

    from vidpipe.sources.view import at

    parts = np.linspace(0, 1, _SAMPLES)[:, None]
    points = np.concatenate([np.array(a) + parts * (np.array(b) - a) for a, b in pairwise(line)])
    return bool(at(view.hidden(_GRID, _GRID), points * _GRID).all())


def _shown(point: Point) -> str:
    return f"[{point[0]:g}, {point[1]:g}]"
