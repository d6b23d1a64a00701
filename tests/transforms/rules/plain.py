"""The plain form of what rules ask of geometry: each zone and line for each point and way, computed anew."""

from __future__ import annotations

from vidpipe.transforms.rules.geometry import Crossed, Geometry


class PlainGeometry(Geometry):
    """Says of nothing that it is still as it was."""

    def at(self, x: float, y: float) -> tuple[tuple[int, ...], float, float]:
        return tuple(number for number, zone in enumerate(self._given[0]) if _even_odd(zone, x, y)), 0.0, 0.0

    def crossed(self, x0: float, y0: float, x1: float, y1: float) -> list[Crossed]:
        dx, dy = x1 - x0, y1 - y0
        crossed = []
        for line, ax, ay, bx, by, nx, ny, offset in self._segments:
            was, is_ = x0 * nx + y0 * ny + offset, x1 * nx + y1 * ny + offset
            if (was > 0) == (is_ > 0):
                continue
            if (dx * (ay - y0) - dy * (ax - x0) > 0) != (dx * (by - y0) - dy * (bx - x0) > 0):
                crossed.append(Crossed(line, 1 if was <= 0 else -1, was / (was - is_)))
        return crossed


def _even_odd(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if min(ay, by) <= y < max(ay, by):
            slope = (bx - ax) / (by - ay)
            inside ^= x < (ax - slope * ay) + slope * y
    return inside
