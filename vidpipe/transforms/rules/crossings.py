"""Who crosses which line, and which way: rules of kind line.

An object has crossed a line when its way has led over it and it has been clear of it for a while. What sits on a line,
and flickers, goes over and comes back: it crosses once it leaves, or not at all. What is lost before it is clear is
told as `uncertain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.geometry import Geometry
from vidpipe.transforms.rules.objects import Crossing, Object
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import Anchor
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening, Watch, span

_CLEAR = 0.1  # of its box's height: so far an object has to be from a line to be clear of it


class Crossings:
    """The crossings of all objects.

    Args:
        watches: all of the stream, by number.
        geometry: with their lines.
    """

    def __init__(self, watches: Sequence[Watch], geometry: Geometry) -> None:
        self._watches = watches
        self._geometry = geometry
        self._of_line: dict[Anchor, dict[int, list[Watch]]] = {}  # by anchor, then by line
        for watch in watches:
            if watch.rule.kind == "line":
                self._of_line.setdefault(watch.rule.anchor, {}).setdefault(watch.index, []).append(watch)
        self._totals: Counter[tuple[int, str]] = Counter()  # by watch and direction

    def go_on(self, before: Crossings, numbers: Mapping[int, int]) -> None:
        """Count on from where others were.

        Args:
            numbers: of the watches that go on: their number here by the number there.
        """
        for (number, direction), count in before._totals.items():
            if number in numbers:
                self._totals[numbers[number], direction] = count

    def go(self, seen: Seen, known: Object) -> None:
        """See the way that an object has gone since it was seen the time before."""
        x, feet, centre, began = known.was
        for anchor, of_line in self._of_line.items():
            start, end = (feet, known.feet) if anchor == "feet" else (centre, known.centre)
            for crossed in self._geometry.crossed(x, start, known.x, end):
                at = began + crossed.part * (seen.pts - began)
                for watch in of_line.get(crossed.line, ()):
                    if watch.awake:
                        _cross(known, watch.number, crossed.sign, at)

    def tell(self, seen: Seen, objects: Iterable[Object]) -> Iterator[Happening]:
        """Those of the crossings of objects that are seen now that count by now."""
        for known in objects:
            if not known.crossings:
                continue
            for number, crossing in list(known.crossings.items()):
                watch = self._watches[number]
                if not self._is_clear(seen, known, watch):
                    crossing.clear_since = None
                    continue
                if crossing.clear_since is None:
                    crossing.clear_since = seen.pts
                settled = seen.pts - crossing.clear_since >= watch.rule.confirm_s - ROUNDING_S
                if settled and known.confirmed and watch.counts(known):
                    del known.crossings[number]
                    yield self._told(seen, known, watch, crossing)

    def end(self, seen: Seen, known: Object) -> Iterator[Happening]:
        """An object has ended."""
        for number, crossing in known.crossings.items():
            if known.confirmed and self._watches[number].counts(known):
                yield self._told(seen, known, self._watches[number], crossing)

    def _is_clear(self, seen: Seen, known: Object, watch: Watch) -> bool:
        x, y = known.anchor(watch.rule.anchor)
        away = self._geometry.distance(watch.index, x, y, seen.width / seen.height)
        return away >= _CLEAR * (known.box[3] - known.box[1])

    def _told(self, seen: Seen, known: Object, watch: Watch, crossing: Crossing) -> Happening:
        direction = watch.rule.directions[crossing.net < 0]
        self._totals[watch.number, direction] += 1
        count = self._totals[watch.number, direction]
        told = {"line": watch.place, "direction": direction, "count": count, **known.told(), **span(seen, crossing.at)}
        if crossing.clear_since is None:
            told["uncertain"] = True
        id = f"{watch.rule.id}/{watch.place}/{seen.seq}.{known.number}"
        return watch.says("line.cross", Phase.BEGIN, id, told)


def _cross(known: Object, number: int, sign: int, at: float) -> None:
    crossing = known.crossings.setdefault(number, Crossing(0, at))
    crossing.net += sign
    if not crossing.net:
        del known.crossings[number]
