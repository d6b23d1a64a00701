"""What is so at a stream, as its events and results tell: presence, counts, crossings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vidpipe.core.answer import boxes_by_class
from vidpipe.core.event import BESIDE, Event, Phase
from vidpipe.results.records import Result
from vidpipe.results.sinks.mqtt.home_assistant.controls import OFF, ON
from vidpipe.results.sinks.mqtt.home_assistant.spec import id_of
from vidpipe.transforms.rules.spec import TRACKED, RulesConfig
from vidpipe.transforms.rules.watch import watches_of

_Place = tuple[str, str]  # rule and zone or line; "": the whole picture


class Told(NamedTuple):
    """A sensor: something that a rule tells at one place.

    Attributes:
        direction: of a line, whose crossings it counts.
    """

    key: str
    name: str
    what: str
    rule: str
    place: str
    direction: str = ""


IS_SO, COUNT, CROSSINGS = "is so", "count", "crossings"
"""What a sensor tells: whether it is so there, how many there are, how often somebody has crossed."""


def sensors_of(rules: RulesConfig) -> Iterator[Told]:
    """The sensors of a stream with these rules; one whose rule is switched off stays, and shows that nothing is so."""
    watches = list(watches_of(rules.model_copy(update={"off": ()})))
    for watch in watches:
        rule, place = watch.rule, watch.place
        several = sum(each.rule.id == rule.id for each in watches) > 1
        name = f"{rule.id} {place}" if several else rule.id
        key = id_of(f"{rule.id}/{place}" if several else rule.id)
        if rule.kind == "line":
            for way in rule.directions:
                yield Told(f"cross-{id_of(f'{key}/{way}')}", f"{name} {way}", CROSSINGS, rule.id, place, way)
            continue
        yield Told(f"is-{key}", name, IS_SO, rule.id, place)
        if rule.kind in TRACKED or rule.kind == "occupancy":
            yield Told(f"count-{key}", f"{name} count", COUNT, rule.id, place)


class StreamStates:
    """Follows the events and results of one stream."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing any more: the stream has ended, or begins anew."""
        self._open: dict[_Place, set[str]] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._newest: Result | None = None

    def see(self, result: Result) -> None:
        """Take a result."""
        self._newest = result

    def tell(self, event: Event) -> None:
        """Take an event; what a transform of the user's own tells is nobody's state."""
        place = event.rule, str(event.data.get("zone") or event.data.get("line") or "")
        if event.phase is Phase.END:
            self._open.get(place, set()).discard(event.id)
        elif event.kind not in BESIDE:
            self._open.setdefault(place, set()).add(event.id)
        if isinstance(count := event.data.get("count"), int):
            self._counts[(*place, str(event.data.get("direction") or ""))] = count

    def seen(self) -> str:
        """The boxes of the newest result, by class and in all, as JSON."""
        counts: Mapping[str, int] = {} if self._newest is None else boxes_by_class(self._newest.answer)
        return json.dumps({"total": sum(counts.values()), "classes": dict(sorted(counts.items()))})

    def value(self, told: Told, rules: RulesConfig) -> str:
        """What a sensor shows."""
        is_open = self._open.get((told.rule, told.place), set())
        if told.what == IS_SO:
            return ON if is_open else OFF
        kind = next(rule.kind for rule in rules.rules if rule.id == told.rule)
        if told.what == COUNT and kind in TRACKED:
            return str(len(is_open))
        return str(self._counts.get((told.rule, told.place, told.direction), 0))
