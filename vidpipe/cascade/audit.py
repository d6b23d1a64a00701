"""How often the answers of cheap stages are checked against the last stage, and what a check found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from vidpipe.core.answer import Answer, class_ids
from vidpipe.statistics.agreement import Matched, match
from vidpipe.statistics.draw import RANGE, hashed


class AuditSpec(BaseModel):
    """How often a cheap answer is checked against the last stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(default=0.01, ge=0, le=1, description="share of each stage's answers that are audited")
    max_unchecked_s: float | None = Field(
        default=30.0, gt=0, description="longest media time of a stream without an answer of the last stage"
    )
    max_age_s: float | None = Field(
        default=None,
        gt=0,
        description="longest media time between a picture and the one that its answer rests on: then the answer is "
        "`dropped`, and says that nothing is known; default: twice `max_unchecked_s`",
    )
    seed: int = Field(default=0, ge=0, description="another seed audits other frames")

    @property
    def expires_s(self) -> float | None:
        """`max_age_s`, or what it is by default; None: no answer is too old."""
        if self.max_age_s is not None or self.max_unchecked_s is None:
            return self.max_age_s
        return 2 * self.max_unchecked_s

    def draws(self, stream: str, seq: int, stage: str) -> bool:
        """Whether an answer of this stage to that frame is audited; everybody who asks is told the same."""
        return self.rate > 0 and hashed(f"{self.seed}/{stream}/{seq}/{stage}") < self.rate * RANGE


class Check(StrEnum):
    """Why a cheap answer was withheld."""

    AUDIT = "audit"
    UNCHECKED = "unchecked"


class Audit(NamedTuple):
    """What an audit of one frame found.

    Attributes:
        missed: the last stage saw a class that the withheld answer has not.
        false: the withheld answer has a class that the last stage did not see.
        boxes: of both answers, and those that are the same.
        classes: the same of the classes that they name.
        said: boxes of the withheld answer.
        seq: number of the frame; -1 where nobody has said so.
    """

    stage: str
    missed: bool
    false: bool
    boxes: Matched = Matched(0, 0)
    classes: Matched = Matched(0, 0)
    said: int = 0
    seq: int = -1

    @classmethod
    def of(cls, withheld: Answer, checked: Answer) -> Self:
        """What is found by holding an answer against what the last stage saw in the same frame."""
        seen, said = class_ids(checked), class_ids(withheld)
        return cls(
            withheld.by,
            missed=bool(seen - said),
            false=bool(said - seen),
            boxes=match(withheld.detections, checked.detections),
            classes=Matched(len(seen & said), len(seen) + len(said)),
            said=len(withheld.detections),
        )


class Look(NamedTuple):
    """What the last stage found in a frame that it looked at as a whole.

    Attributes:
        boxes: how many.
        classes: of how many classes.
    """

    boxes: int
    classes: int
