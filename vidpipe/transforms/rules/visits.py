"""Who is in which zone, since when: rules of kinds zone and dwell.

An object enters when it has been inside for a while, and leaves when it has not been for the time of grace, seen
elsewhere or not at all. A visit is dated with the first and the last time that the object was seen inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import Object, Visit
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening, Watch, span


class Visits:
    """The visits of all objects.

    Args:
        watches: all of the stream, by number.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def look(self, seen: Seen, known: Object, inside: tuple[int, ...]) -> None:
        """An object that is seen now is inside of these watches' zones, and of no others."""
        if inside == known.inside:
            return
        for number in known.inside:
            if number not in inside:
                self._leave(known, number)
        for number in inside:
            rule = self._watches[number].rule
            due = (rule.after_s or rule.confirm_s) - ROUNDING_S
            known.visits.setdefault(number, Visit(seen.seq, seen.pts, due)).last = None
        known.inside = inside
        known.due = -math.inf

    def expire(self, seen: Seen, known: Object) -> Iterator[Happening]:
        """End the visits that an object has left for too long, before it is seen again: where it is now is another."""
        for number, visit in list(known.visits.items()):
            watch = self._watches[number]
            if visit.last is not None and seen.pts - visit.last > watch.rule.grace_s + ROUNDING_S:
                yield from self._end(seen, known, watch, visit.last)

    def tell(self, seen: Seen, known: Object) -> Iterator[Happening]:
        """What there is to tell of an object's visits; after its `due`."""
        now, due = seen.pts, math.inf
        is_seen = known.last == now
        for number, visit in list(known.visits.items()):
            watch = self._watches[number]
            rule = watch.rule
            last = visit.last if visit.last is not None else known.last
            if (visit.last is not None or not is_seen) and now - last >= rule.grace_s - ROUNDING_S:
                yield from self._end(seen, known, watch, last)
                continue
            while is_seen and visit.last is None and now - visit.first >= visit.due and known.confirmed:
                yield self._told(seen, known, watch, visit)
            due = min(due, last + rule.grace_s, visit.first + visit.due)
        known.due = due - ROUNDING_S

    def end(self, seen: Seen, known: Object) -> Iterator[Happening]:
        """An object has ended, and all its visits."""
        for number, visit in list(known.visits.items()):
            last = visit.last if visit.last is not None else known.last
            yield from self._end(seen, known, self._watches[number], last)

    def close(self, seen: Seen, known: Object, over: Mapping[int, str]) -> Iterator[Happening]:
        """End an object's visits at these watches, each with the reason for it."""
        for number, visit in list(known.visits.items()):
            if number in over:
                last = visit.last if visit.last is not None else known.last
                yield from self._end(seen, known, self._watches[number], last, over[number])

    def _leave(self, known: Object, number: int) -> None:
        """An object is seen elsewhere: it was inside when it was seen the time before."""
        visit = known.visits[number]
        visit.last = known.was[3]
        if not visit.told and self._watches[number].rule.kind == "zone":
            del known.visits[number]  # what only brushes a zone does not enter

    def _told(self, seen: Seen, known: Object, watch: Watch, visit: Visit) -> Happening:
        rule = watch.rule
        first = not visit.told
        if first:
            visit.id = f"{rule.id}/{watch.place}/{visit.seq}.{known.number}"
        visit.told += 1
        visit.due += rule.again_s or math.inf
        told = {"zone": watch.place, **known.told(), "dwell_s": round(seen.pts - visit.first, 3)}
        if rule.kind == "dwell":
            told["level"] = visit.told
        kind = "zone.enter" if rule.kind == "zone" else "zone.dwell"
        phase = Phase.BEGIN if first else Phase.UPDATE
        return watch.says(kind, phase, visit.id, told | span(seen, visit.first))

    def _end(self, seen: Seen, known: Object, watch: Watch, last: float, reason: str = "") -> Iterator[Happening]:
        visit = known.visits.pop(watch.number)
        if watch.number in known.inside:  # it is lost; where it comes back is to be seen
            known.inside = tuple(number for number in known.inside if number != watch.number)
            known.zones = None
        if not visit.told:
            return
        told = {"zone": watch.place, **known.told(), "dwell_s": round(last - visit.first, 3)}
        if reason:
            told["reason"] = reason
        kind = "zone.exit" if watch.rule.kind == "zone" else "zone.dwell"
        yield watch.says(kind, Phase.END, visit.id, told | span(seen, visit.first, last))
