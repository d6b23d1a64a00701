"""What a user writes of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from vidpipe.core.nearest import did_you_mean
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.core.ways import Ways, WrittenWays
from vidpipe.sources.base import Line, Polygon
from vidpipe.transforms.learnt.classifier import BOXES, WrittenClassifier

Kind = Literal["zone", "dwell", "occupancy", "presence", "absence", "line", "degraded", "learnt"]
Anchor = Literal["feet", "centre"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
OneOrMore = str | Annotated[list[str], Field(min_length=1)]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TRACKED: frozenset[Kind] = frozenset({"zone", "dwell", "line"})
"""Kinds that ask which object is which from one result to the next."""

_ONLY: dict[str, frozenset[str]] = {
    "line": frozenset({"line"}),
    "directions": frozenset({"line"}),
    "zone": frozenset({"zone", "dwell", "occupancy", "presence", "absence"}),
    "after_s": frozenset({"dwell"}),
    "again_s": frozenset({"dwell"}),
    "at_least": frozenset({"occupancy"}),
    "for_s": frozenset({"occupancy", "absence", "degraded"}),
    "grace_s": frozenset({"zone", "dwell", "occupancy", "presence", "degraded"}),
    "classes": frozenset({"zone", "dwell", "occupancy", "presence", "absence", "line"}),
    "confirm_s": frozenset({"zone", "line", "presence", "absence"}),
    "event": frozenset({"learnt"}),
    "features": frozenset({"learnt"}),
    "review": frozenset({"learnt"}),
    "joins": TRACKED,
}
_NEEDED = {"dwell": ("after_s",), "occupancy": ("at_least",), "absence": ("for_s",)}


class _Written(StageConfig):
    """Settings that are dumped as they were written, without what was left out: so what is dumped can be read again,
    where a field that is left out is another thing than one that is set to its default.
    """

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = type(self).model_fields.keys() - self.model_fields_set
        aliases = {type(self).model_fields[name].alias for name in unset}
        return {name: value for name, value in dump(self).items() if name not in unset | aliases}


class SpanSpec(_Written):
    """A time of day, on some days of the week.

    From "22:00" to "06:00" goes over midnight: then the day is the one on which it begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: Annotated[list[Day], Field(min_length=1)] = Field(default=list(DAYS), description="on which it begins")
    begin: Time = Field(alias="from", description='hour and minute, as "22:00"')
    end: Time = Field(alias="to", description='the first minute that is not in it; "00:00" is the end of the day')
    timezone: str = Field(default="UTC", description="whose time that is, as Europe/Berlin")

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError):
            raise ValueError(f"there is no time zone '{value}': write it as Europe/Berlin, or UTC") from None
        return value

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begin == self.end:
            raise ValueError("begins and ends at the same minute: for a whole day leave the rule without `active`")
        return self


class RuleSpec(_Written):
    """When something in the picture is an event."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str = Field(min_length=1, description="names the rule in events and messages")
    kind: Kind = Field(
        description="zone: somebody enters or leaves; dwell: stays; occupancy: so many are there; presence: anybody "
        "is; absence: nobody is; line: somebody crosses it; degraded: answers are worth less, as a tier is away; "
        "learnt: as examples have taught it"
    )
    zone: OneOrMore | None = Field(
        default=None,
        description="a zone, or several, of the streams that have it; default: the whole picture; of kinds zone and "
        "dwell, each zone",
    )
    line: OneOrMore | None = Field(default=None, description="of kind line: a line, or several; default: each line")
    classes: OneOrMore | None = Field(default=None, alias="class", description="whom it is about; default: all")
    streams: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="where it holds; default: on all streams that have such a zone or line"
    )
    anchor: Anchor = Field(
        default="feet", description="the point of a box that counts: middle of the lower edge, or centre"
    )
    least_score: float = Field(default=0.0, ge=0, le=1, description="an object counts from this score on")
    least_height: float = Field(
        default=0.0, ge=0, le=1, description="an object counts from this height on, in parts of the picture's"
    )
    active: str | list[SpanSpec] | None = Field(
        default=None, description="when it holds: a schedule by name, or times of day; default: always"
    )
    confirm_s: float = Field(
        default=0.2, ge=0, description="how long it must be so before it counts: inside, beyond the line, seen at all"
    )
    grace_s: float = Field(
        default=1.0, ge=0, description="how long it may not be so before it has ended: outside, lost, too few"
    )
    after_s: float | None = Field(default=None, gt=0, description="of kind dwell: how long somebody has to stay")
    again_s: float | None = Field(
        default=None, gt=0, description="of kind dwell: tell again each time that so much more has passed"
    )
    at_least: int | None = Field(default=None, ge=1, description="of kind occupancy: how many")
    for_s: float | None = Field(
        default=None,
        ge=0,
        description="of kinds occupancy, absence and degraded: for how long; occupancy's default: 1, degraded's: 0",
    )
    directions: tuple[str, str] = Field(
        default=("in", "out"),
        description="of kind line: names of the two ways over it; the first is from left to right for one who walks "
        "along the line from its first point to its last",
    )
    event: WrittenClassifier | None = Field(
        default=None,
        description="of kind learnt: the file that `vidpipe teach` has made; without one nothing is told yet",
    )
    features: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="of kind learnt: what results shall hold to teach by, beside boxes: ids of stages of type "
        "difference, or embedding (of transform describe); default: what the event goes by",
    )
    review: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="of kind learnt: the share of windows, and of events, that a person is asked about",
    )
    joins: WrittenWays | None = Field(
        default=None,
        description="of kinds zone, dwell and line: the file that `vidpipe cameras graph --ways` has made; an event of "
        "who comes from another camera's alarm by one of its ways joins that alarm",
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        for name in sorted(self.model_fields_set):
            if name in _ONLY and self.kind not in _ONLY[name] and getattr(self, name) is not None:
                written = type(self).model_fields[name].alias or name
                raise ValueError(f"'{written}' means nothing to a rule of kind {self.kind}: leave it out")
        for name in _NEEDED.get(self.kind, ()):
            if getattr(self, name) is None:
                raise ValueError(f"field '{name}' is missing: a rule of kind {self.kind} needs it")
        if self.kind == "learnt" and self.event is None and self.features is None:
            raise ValueError(
                "field 'event' is missing: name the file that `vidpipe teach` makes; before there is one, "
                "`features` says what results shall hold to teach by"
            )
        if self.directions[0] == self.directions[1]:
            raise ValueError("directions: the two ways over a line need two names")
        return self

    @property
    def places(self) -> Sequence[str] | None:
        """The zones or lines that it names; None: it names none."""
        return names(self.line if self.kind == "line" else self.zone)

    @property
    def recorded(self) -> tuple[str, ...]:
        """The features that results must hold for it, beside the boxes that they hold anyway."""
        inputs = [each.name for each in self.event.inputs] if self.event is not None else []
        return tuple(dict.fromkeys(name for name in (*inputs, *(self.features or ())) if name != BOXES))


class RulesConfig(StageConfig):
    """The rules of one stream. Zones and lines are points (x, y) in parts of width and height, 0..1."""

    whole: ClassVar[bool] = True

    zones: dict[str, Polygon] = Knob({}, description="of the stream, by name")
    lines: dict[str, Line] = Knob({}, description="of the stream, by name")
    rules: list[RuleSpec] = Knob([], description="those that hold here, each with its places")
    schedules: dict[str, list[SpanSpec]] = Knob({}, description="that rules name")
    off: tuple[str, ...] = Knob((), description="ids of rules that are switched off, as if they were not there")

    @field_validator("off")
    @classmethod
    def _are_rules(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        ids = [rule.id for rule in info.data.get("rules", ())]
        for name in value:
            if name not in ids:
                raise ValueError(f"there is no rule '{name}' on that stream{did_you_mean(name, ids)}")
        return value

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        for rule in self.rules:
            what, there = ("line", self.lines) if rule.kind == "line" else ("zone", self.zones)
            for name in rule.places or ():
                if name not in there:
                    raise ValueError(f"rule '{rule.id}': there is no {what} '{name}'{did_you_mean(name, there)}")
            if isinstance(rule.active, str) and rule.active not in self.schedules:
                near = did_you_mean(rule.active, self.schedules)
                raise ValueError(f"rule '{rule.id}': there is no schedule '{rule.active}'{near}")
        return self

    def __bool__(self) -> bool:
        return bool(self.rules)

    def with_changes(self, was: RulesConfig, now: RulesConfig) -> RulesConfig:
        """These with what differs between two others, name by name: so two who change different things both have them.

        Raises:
            ValidationError: a rule would name what is not there.
        """
        parts: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
            "zones": (self.zones, was.zones, now.zones),
            "lines": (self.lines, was.lines, now.lines),
            "rules": (_by_id(self.rules), _by_id(was.rules), _by_id(now.rules)),
            "schedules": (self.schedules, was.schedules, now.schedules),
            "off": (dict.fromkeys(self.off), dict.fromkeys(was.off), dict.fromkeys(now.off)),
        }
        merged: dict[str, Any] = {name: _merged(*part) for name, part in parts.items()}
        rules = merged["rules"]
        merged["off"] = [id for id in merged["off"] if id in rules]
        return RulesConfig.model_validate({**merged, "rules": [*rules.values()]})

    @property
    def recorded(self) -> tuple[str, ...]:
        """The features that results must hold for these rules, beside boxes."""
        return tuple(dict.fromkeys(name for rule in self.rules if rule.id not in self.off for name in rule.recorded))

    @property
    def joining(self) -> dict[str, Ways]:
        """By id of the rules whose events join others: by which ways."""
        return {rule.id: rule.joins for rule in self.rules if rule.joins is not None and rule.id not in self.off}

    @property
    def told_late_s(self) -> float:
        """The longest time after its beginning at which an event is told: as long as it must have been so."""
        late = [max(rule.after_s or 0.0, rule.for_s or 0.0, rule.confirm_s) for rule in self.rules]
        late += [rule.event.told_late_s for rule in self.rules if rule.event is not None]
        return max(late, default=0.0)


def _by_id(rules: Sequence[RuleSpec]) -> dict[str, RuleSpec]:
    return {rule.id: rule for rule in rules}


def _merged(own: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What is there under each name, as changed from one state to another."""
    touched = {name for name in {*was, *now} if was.get(name, _merged) != now.get(name, _merged)}
    kept = {name: value for name, value in own.items() if name not in touched}
    return kept | {name: value for name, value in now.items() if name in touched}


def names(written: str | Sequence[str] | None) -> Sequence[str] | None:
    """One name or several, as several."""
    return [written] if isinstance(written, str) else written
