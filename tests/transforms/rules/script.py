"""What rules are shown in tests: objects that stand where they are told, ten results a second unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from vidpipe.cascade.audit import Audit
from vidpipe.core.event import Phase
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec
from vidpipe.transforms.rules.watch import Happening

WIDTH, HEIGHT = 640, 480
TALL = 0.2  # of the boxes, in parts of the picture's height; a third as wide

YARD = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
"""The right half of the picture."""
DOOR = [(0.5, 1.0), (0.5, 0.0)]
"""Upwards in the middle: from left to right, which is called "in", one crosses it to the right."""

Places = Mapping[int | None, tuple[float, float]]
"""Where the feet of objects are, x and y in parts of the picture, by identity; None: a box without."""


def rules(*written: Mapping[str, Any], **places: Any) -> RulesConfig:
    """Rules of a stream with the zone `yard` and the line `door`."""
    places = {"zones": {"yard": YARD}, "lines": {"door": DOOR}, **places}
    return RulesConfig(rules=[RuleSpec.model_validate(rule) for rule in written], **places)


ENTER = {"id": "yard", "kind": "zone", "zone": "yard"}
CROSS = {"id": "door", "kind": "line", "line": "door"}


def seen(
    seq: int,
    places: Places,
    *,
    pts: float | None = None,
    as_of: int | None = None,
    at: float | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    name: str = "person",
    score: float = 0.9,
    audits: Sequence[Audit] = (),
) -> Seen:
    """A result."""
    width, height = size
    boxes = [
        [
            round((x - TALL / 6) * width, 2),
            round((y - TALL) * height, 2),
            round((x + TALL / 6) * width, 2),
            round(y * height, 2),
        ]
        for x, y in places.values()
    ]
    ids = [-1 if each is None else each for each in places]
    time = round(seq / 10 if pts is None else pts, 6)
    measured = seq if as_of is None else as_of
    count = len(boxes)
    return Seen(seq, time, at, measured, *size, boxes, [score] * count, [name] * count, ids, audits)


def script(steps: Iterable[Places], **options: Any) -> list[Seen]:
    """Results one after another."""
    return [seen(seq, places, **options) for seq, places in enumerate(steps)]


def tell(config: RulesConfig, results: Iterable[Seen]) -> list[Told]:
    """What rules say of these results."""
    engine = Engine(config)
    return [Told(result.seq, result.pts, *happening) for result in results for happening in engine.see(result)]


def way(*points: tuple[float, float], step: float = 0.02) -> list[tuple[float, float]]:
    """From point to point, `step` of the picture in each result."""
    gone = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, round(max(abs(x1 - x0), abs(y1 - y0)) / step))
        gone += [(x0 + (x1 - x0) * part / count, y0 + (y1 - y0) * part / count) for part in range(1, count + 1)]
    return gone


def alone(track: int | None, points: Iterable[tuple[float, float]]) -> list[Places]:
    """One object that goes there."""
    return [{track: point} for point in points]


class Told(NamedTuple):
    """A happening, and the result at which it was told."""

    seq: int
    pts: float
    kind: str
    phase: Phase
    rule: str
    id: str
    version: str
    data: Mapping[str, Any]

    @property
    def happening(self) -> Happening:
        return Happening(*self[2:])


def kinds(told: Iterable[Told]) -> list[str]:
    """What was told, in short: "zone.enter", "line.cross in"."""
    return [" ".join(filter(None, (each.kind, each.data.get("direction")))) for each in told]
