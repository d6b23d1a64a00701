"""What a stage says of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import supervision as sv


class How(StrEnum):
    """How an answer came about; says how far it can be trusted."""

    MEASURED = "measured"  # a model looked at this frame
    EMPTY = "empty"  # a gate says that there is nothing to find
    TRACKED = "tracked"  # boxes moved on from an earlier frame
    REUSED = "reused"  # an earlier answer still holds
    SKIPPED = "skipped"  # left out by the frame-rate knob, or by the decoder
    DROPPED = "dropped"  # lost to overload, or damaged
    FAILED = "failed"  # a stage raised; the pipeline went on

    @property
    def carried(self) -> bool:
        """Whether such an answer says nothing of its own and carries the last published one."""
        return self in _CARRIED


_CARRIED = frozenset({How.SKIPPED, How.DROPPED, How.FAILED})


@dataclass(frozen=True, slots=True)
class Answer:
    """Detections for one frame, and where they come from.

    Attributes:
        detections: boxes `xyxy` in pixels of the source frame, `class_id` as index into the pipeline's classes,
            their names in `data["class_name"]`. Never changed once it is in an answer: answers share it.
        how: see `How`.
        by: id of the stage that answered, or "source", "engine".
        as_of: `seq` of the frame that the detections were measured on; -1 where there is none yet.
        reason: for people: "changed 0.3 % < 0.8 %", "overloaded".
        partial: no evidence about an earlier stage: a model ran on parts of the frame only, and the other boxes are an
            earlier stage's; or it stood in for a later stage that was away.
        audit_of: id of the stage whose answer to this frame was withheld by chance, to be checked by this one; "" where
            that is not so. That stage learns from it as from a random sample.
        features: what had been computed of the frame anyway, by name, for events that are learnt, and what the object
            of an event looks like that may join another one; empty where no rule asks for it, and on most frames.
    """

    detections: sv.Detections
    how: How
    by: str
    as_of: int
    reason: str = ""
    partial: bool = False
    audit_of: str = ""
    features: Mapping[str, Sequence[float]] = field(default_factory=dict)


def class_ids(answer: Answer) -> frozenset[int]:
    """The classes of its boxes."""
    ids = answer.detections.class_id
    return frozenset() if ids is None else frozenset(ids.tolist())


def boxes_by_class(answer: Answer) -> Counter[str]:
    """How many boxes of each class an answer has, by name."""
    return Counter(str(name) for name in answer.detections.data.get("class_name", ()))


_NOTHING: sv.Detections | None = None


def nothing() -> sv.Detections:
    """No detections: one shared, empty `sv.Detections`."""
    global _NOTHING
    if _NOTHING is None:
        import supervision as sv  # half a second: paid by the first answer, not by `import vidpipe`

        _NOTHING = sv.Detections.empty()
    return _NOTHING


def unknown() -> Answer:
    """What is carried on of a stream before its first answer."""
    return Answer(nothing(), How.SKIPPED, "engine", -1)
