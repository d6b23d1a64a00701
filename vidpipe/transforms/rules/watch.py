"""A rule at one place of one stream, and what it says happened there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import Object
from vidpipe.transforms.rules.schedule import Schedule
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import TRACKED, RulesConfig, RuleSpec, SpanSpec, names

_BESIDE = {"zone", "line", "streams", "active", "classes", "joins"}  # fields that a version does not go by as they are
_DIGITS = 12  # of a version: enough for no two rules of a lifetime to share it

ROUNDING_S = 1e-6
"""To this, times are equal: two tenths of a second are not less than 0.2 s, whatever their binary sum."""


class Happening(NamedTuple):
    """What a rule says, before it is an event.

    Attributes:
        id: the same for all phases, as of `Event`.
        version: of the watch that says it.
        data: fields of the event that differ from rule to rule.
    """

    kind: str
    phase: Phase
    rule: str
    id: str
    version: str
    data: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Watch:
    """A rule at one zone or line, or in the whole picture.

    Attributes:
        number: among the watches of the stream.
        place: name of the zone or line; "": the whole picture.
        index: of the zone or line; -1: the whole picture.
        classes: that it is about; None: all.
        schedule: when it holds; None: always.
        version: a hash of all that it goes by: rule, place with its points, and hours. Watches of the same version say
            the same.
        awake: whether it holds now.
    """

    number: int
    rule: RuleSpec
    place: str
    index: int
    classes: frozenset[str] | None
    schedule: Schedule | None
    version: str
    awake: bool = True

    def counts(self, known: Object) -> bool:
        """Whether it is about this object, and holds now."""
        rule = self.rule
        large = known.score >= rule.least_score and known.height >= rule.least_height
        return self.awake and large and (self.classes is None or known.name in self.classes)

    def says(self, kind: str, phase: Phase, id: str, data: Mapping[str, Any]) -> Happening:
        """What happened here, as this rule tells it."""
        return Happening(kind, phase, self.rule.id, id, self.version, data)


def watches_of(config: RulesConfig) -> Iterator[Watch]:
    """The rules that are not switched off, each at each of its places."""
    number = 0
    for rule in config.rules:
        if rule.id in config.off:
            continue
        active = config.schedules[rule.active] if isinstance(rule.active, str) else rule.active
        classes = names(rule.classes)
        points: Mapping[str, Sequence[tuple[float, float]]] = config.lines if rule.kind == "line" else config.zones
        there = list(points)
        whole = rule.places is None and rule.kind not in TRACKED
        for name in [""] if whole else there if rule.places is None else rule.places:
            yield Watch(
                number,
                rule,
                name,
                -1 if whole else there.index(name),
                None if classes is None else frozenset(classes),
                None if active is None else Schedule(active),
                _version(rule, name, points.get(name, ()), active),
            )
            number += 1


def _version(
    rule: RuleSpec, place: str, points: Sequence[tuple[float, float]], active: Sequence[SpanSpec] | None
) -> str:
    """A hash of all that a watch goes by, whatever else the rule that it comes from holds for."""
    told = rule.model_dump(mode="json", exclude_defaults=True, exclude=_BESIDE)
    hours = [span.model_dump(mode="json", exclude_defaults=True) for span in active or ()]
    whole = [told, names(rule.classes), place, [list(map(float, point)) for point in points], hours]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def span(seen: Seen, begin: float, end: float | None = None) -> dict[str, Any]:
    """When it began, and ended, by media time and by the clock, as fields of an event."""
    told: dict[str, Any] = {"started_at": _clock(seen, begin), "started_pts": round(begin, 6)}
    if end is not None:
        told |= {"ended_at": _clock(seen, end), "ended_pts": round(end, 6)}
    return told


def _clock(seen: Seen, pts: float) -> float | None:
    return None if seen.at is None else round(seen.at - (seen.pts - pts), 3)
