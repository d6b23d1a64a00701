"""Who is in which zone, since when: rules of kinds zone and dwell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import Objects
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import Happening, Watch, Watches, span

_ROUNDING_S = 1e-6  # two tenths of a second are not less than 0.2 s, whatever their binary sum


class Visits(Watches):
    """For each object and watch, whether it is there: it enters when it has been inside for a while, and leaves when it
    has not been for the time of grace, seen elsewhere or not at all. What it is dated with is the first and last time
    that it was seen inside.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        super().__init__(watches)
        rules = [watch.rule for watch in watches]
        self._after = np.array([rule.after_s or rule.confirm_s for rule in rules]) - _ROUNDING_S
        self._again = np.array([rule.again_s or np.inf for rule in rules])
        self._grace = np.array([rule.grace_s for rule in rules]) - _ROUNDING_S
        self._at_once = np.array(
            [rule.kind == "zone" for rule in rules], bool
        )  # what only brushes a zone does not enter
        self.is_in = np.zeros((0, len(rules)), bool)  # [objects, watches], and so are the following
        self._first = np.zeros((0, len(rules)))
        self._last = np.zeros((0, len(rules)))
        self._due = np.zeros((0, len(rules)))  # how long it has to be there until there is something to tell
        self._told = np.zeros((0, len(rules)), np.int64)  # how often that was so
        self._ids: dict[tuple[int, int], str] = {}  # of the events, by serial of the object and watch

    def end(self, seen: Seen, objects: Objects, rows: NDArray[np.bool_]) -> Iterator[Happening]:
        """The objects in these rows, [n], have ended."""
        self._grow(len(objects))
        gone = self.is_in & rows[:, None]
        if gone.any():
            yield from self._close(seen, objects, gone)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """As of `Objects`."""
        for name in ("is_in", "_first", "_last", "_due", "_told"):
            setattr(self, name, getattr(self, name)[rows])

    def see(
        self, seen: Seen, objects: Objects, rows: NDArray[np.intp], inside: NDArray[np.bool_]
    ) -> Iterator[Happening]:
        """What happens as the objects in these rows [m] are inside of these places [m, watches], or not."""
        self._grow(len(objects))
        if not (inside.any() or self.is_in.any()):
            return
        here = np.zeros(self.is_in.shape, bool)
        here[rows] = inside
        now = seen.pts
        begins = here & ~self.is_in
        if begins.any():
            self._first[begins] = now
            self._due[begins] = np.broadcast_to(self._after, begins.shape)[begins]
            self.is_in |= begins
        self._last[here] = now
        away = self.is_in & ~here
        if away.any():
            gone = away & (now - self._last >= self._grace)
            brushed = away[rows] & self._at_once & (self._told[rows] == 0)
            if brushed.any():
                gone[rows] |= brushed
            if gone.any():
                yield from self._close(seen, objects, gone)
        due = here & (now - self._first >= self._due)
        if due.any():
            due &= objects.confirmed[:, None]
            for row, column in zip(*(places.tolist() for places in due.nonzero()), strict=True):
                yield self._tell(seen, objects, row, column)

    def _grow(self, rows: int) -> None:
        more = rows - len(self.is_in)
        if more:
            for name in ("is_in", "_first", "_last", "_due", "_told"):
                table = getattr(self, name)
                setattr(self, name, np.concatenate([table, np.zeros((more, len(self)), table.dtype)]))

    def _tell(self, seen: Seen, objects: Objects, row: int, column: int) -> Happening:
        rule, serial = self.watches[column].rule, objects.serial[row]
        self._told[row, column] += 1
        self._due[row, column] += self._again[column]
        first = self._told[row, column] == 1
        if first:
            self._ids[serial, column] = f"{rule.id}/{self.watches[column].place}/{seen.seq}.{serial}"
        kind = "zone.enter" if rule.kind == "zone" else "zone.dwell"
        stayed = float(seen.pts - self._first[row, column])
        told = self._data(seen, objects, row, column) | {"dwell_s": round(stayed, 3)}
        if rule.kind == "dwell":
            told["level"] = int(self._told[row, column])
        told |= span(seen, float(self._first[row, column]))
        return Happening(kind, Phase.BEGIN if first else Phase.UPDATE, rule.id, self._ids[serial, column], told)

    def _close(self, seen: Seen, objects: Objects, gone: NDArray[np.bool_]) -> Iterator[Happening]:
        self.is_in &= ~gone
        for row, column in zip(*(places.tolist() for places in (gone & (self._told > 0)).nonzero()), strict=True):
            rule = self.watches[column].rule
            first, last = float(self._first[row, column]), float(self._last[row, column])
            told = self._data(seen, objects, row, column) | {"dwell_s": round(last - first, 3)}
            kind = "zone.exit" if rule.kind == "zone" else "zone.dwell"
            id = self._ids.pop((objects.serial[row], column))
            yield Happening(kind, Phase.END, rule.id, id, told | span(seen, first, last))
        self._told[gone] = 0

    def _data(self, seen: Seen, objects: Objects, row: int, column: int) -> dict[str, Any]:
        return {"zone": self.watches[column].place, **objects.told(row)}
