"""Something that happened in a stream, published beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from vidpipe.core.ways import Ways


class Phase(StrEnum):
    """Phase of an event: one that lasts begins, may be updated, and ends."""

    BEGIN = "begin"
    UPDATE = "update"
    END = "end"


LASTING = frozenset({"zone.enter", "zone.dwell", "occupancy", "presence", "absence", "learnt"})
"""Kinds of events of rules that begin and end; others only begin."""

REVIEW = "learnt.review"
"""Kind of the question to a person whether an event that was taught by examples was so."""

BESIDE = frozenset({"line.cross", REVIEW, "learnt.unknown"})
"""Kinds of events of rules that do not say that what the rule is about is so from now on."""


class Look(NamedTuple):
    """What an event's object looks like, where the event may join the alarm of another camera.

    Attributes:
        vector: mean of what `describe` said of its track so far, [d].
        first: UTC seconds at which the track began; media seconds where a recording does not say.
        ways: by which its rule joins.
    """

    vector: tuple[float, ...]
    first: float
    ways: Ways


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a transform saw happen.

    Attributes:
        kind: what happened: "zone.enter", "line.cross", or a name that the transform's author chose.
        stream, seq, pts: the result at which it was seen; media seconds.
        at: UTC seconds of that picture; None where the recording does not say.
        rule: id of the transform, or name of the rule, that saw it.
        id: the same for all phases of what happened once, and for nothing else of the run.
        by: the stage that answered that result.
        age_s: how long before it the boxes were measured, in media seconds; None: they never were, or the transform
            does not say.
        phase: see `Phase`; what has no duration only begins.
        data: what else there is to know, as JSON can hold it: the zone, the track, a count.
        look: of its object, for `results.joins`; never written. None: its rule does not join, or nobody knows.
    """

    kind: str
    stream: str
    seq: int
    pts: float
    at: float | None
    rule: str
    id: str
    by: str = ""
    age_s: float | None = None
    phase: Phase = Phase.BEGIN
    data: Mapping[str, Any] = field(default_factory=dict)
    look: Look | None = None
