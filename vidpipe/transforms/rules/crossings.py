"""Who crosses which line, and which way: rules of kind line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.geometry import Lines
from vidpipe.transforms.rules.objects import Objects, anchors
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import Happening, Watch, Watches, span

_CLEAR = 0.1  # of its box's height: so far an object has to be from a line to be beyond it
_ROUNDING_S = 1e-6


@dataclass(slots=True)
class _Pending:
    """A crossing that does not count yet.

    Attributes:
        net: how often the line was crossed from left to right, less how often the other way.
        at: media seconds of the first time.
        clear_since: since when the object has been clear of the line; None: it is not.
    """

    net: int
    at: float
    clear_since: float | None = None


class Before(NamedTuple):
    """Where objects were seen the time before: boxes [m, 4] in parts of width and height, and media seconds [m]."""

    boxes: NDArray[np.float64]
    pts: NDArray[np.float64]


class Crossings(Watches):
    """An object has crossed a line when its way has led over it and it has been clear of it for a while.

    What sits on a line, and flickers, goes over and comes back: it crosses once it leaves, or not at all. What is lost
    before it is clear is told as `uncertain`.
    """

    def __init__(self, watches: Sequence[Watch], lines: Lines) -> None:
        super().__init__(watches)
        self._lines = lines
        self._by_line: dict[str, dict[int, list[int]]] = {}  # watches by anchor and line
        for column, watch in enumerate(watches):
            self._by_line.setdefault(watch.rule.anchor, {}).setdefault(watch.index, []).append(column)
        self._pending: dict[tuple[int, int], _Pending] = {}  # by serial of the object and watch
        self._totals: Counter[tuple[int, str]] = Counter()  # by watch and direction

    def end(self, seen: Seen, objects: Objects, rows: NDArray[np.bool_]) -> Iterator[Happening]:
        """The objects in these rows, [n], have ended."""
        if not self._pending:
            return
        for row in np.flatnonzero(rows).tolist():
            for column in range(len(self)):
                pending = self._pending.pop((objects.serial[row], column), None)
                if pending is not None and objects.confirmed[row] and self._counts(objects, row, column):
                    yield self._tell(seen, objects, row, column, pending)

    def go(self, seen: Seen, objects: Objects, rows: NDArray[np.intp], before: Before) -> None:
        """See the ways that the objects in these rows [m] have gone, to where they are now."""
        asleep = self.sleeping(seen)
        for anchor, by_line in self._by_line.items():
            was, now = anchors(before.boxes, anchor), anchors(objects.box[rows], anchor)
            for crossed in self._lines.crossed(was, now):
                began = float(before.pts[crossed.row])
                at = began + crossed.part * (seen.pts - began)
                for column in by_line.get(crossed.line, ()):
                    if column not in asleep:
                        self._cross((objects.serial[rows[crossed.row]], column), crossed.sign, at)

    def see(self, seen: Seen, objects: Objects) -> Iterator[Happening]:
        """Those of the crossings that count by now."""
        if not self._pending:
            return
        row_of = {serial: row for row, serial in enumerate(objects.serial)}
        for (serial, column), pending in list(self._pending.items()):
            row = row_of[serial]
            if objects.last[row] != seen.pts:
                continue
            if not self._is_clear(seen, objects, row, column):
                pending.clear_since = None
                continue
            if pending.clear_since is None:
                pending.clear_since = seen.pts
            settled = seen.pts - pending.clear_since >= self.watches[column].rule.confirm_s - _ROUNDING_S
            if settled and objects.confirmed[row] and self._counts(objects, row, column):
                del self._pending[serial, column]
                yield self._tell(seen, objects, row, column, pending)

    def _cross(self, key: tuple[int, int], sign: int, at: float) -> None:
        pending = self._pending.setdefault(key, _Pending(0, at))
        pending.net += sign
        if not pending.net:
            del self._pending[key]

    def _is_clear(self, seen: Seen, objects: Objects, row: int, column: int) -> bool:
        watch, box = self.watches[column], objects.box[row]
        ((x, y),) = anchors(box[None], watch.rule.anchor).tolist()
        away = self._lines.distance(watch.index, x, y, seen.width / seen.height)
        return away >= _CLEAR * float(box[3] - box[1])

    def _counts(self, objects: Objects, row: int, column: int) -> bool:
        """Whether the rule is about this object."""
        rule = self.watches[column].rule
        large = objects.score[row] >= rule.least_score and objects.height[row] >= rule.least_height
        return bool(large and self.classes([objects.classes[row]])[0, column])

    def _tell(self, seen: Seen, objects: Objects, row: int, column: int, pending: _Pending) -> Happening:
        watch = self.watches[column]
        direction = watch.rule.directions[pending.net < 0]
        self._totals[column, direction] += 1
        told = {
            "line": watch.place,
            "direction": direction,
            "count": self._totals[column, direction],
            **objects.told(row),
            **span(seen, pending.at),
        }
        if pending.clear_since is None:
            told["uncertain"] = True
        id = f"{watch.rule.id}/{watch.place}/{seen.seq}.{objects.serial[row]}"
        return Happening("line.cross", Phase.BEGIN, watch.rule.id, id, told)
