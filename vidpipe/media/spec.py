"""What a user writes of pictures and clips."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_SLACK_S = 5.0  # for answers that come late, and objects that are confirmed by a second look


class MediaSpec(BaseModel):
    """Pictures and clips of events, and the folder in which they are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Annotated[str, Field(min_length=1)] = Field(
        description="where they go, on the machine that reads the stream; it is made if need be"
    )
    kinds: Annotated[list[str], Field(min_length=1)] = Field(
        default=["*"], description="of which events, by patterns of their kinds: `zone.*`"
    )
    pictures: Literal["crop", "frame", "none"] = Field(
        default="crop", description="the best picture of the event's object: cut out, or the whole frame"
    )
    boxes: bool = Field(default=False, description="draw boxes in pictures")
    clips: bool = Field(default=True, description="cut a clip out of what the camera sent, or out of the recording")
    pre_s: float = Field(default=5.0, ge=0, description="how much of a clip lies before the event begins, at least")
    post_s: float = Field(default=5.0, ge=0, description="how much lies behind its end")
    max_s: float = Field(default=120.0, gt=0, description="the longest clip; of an event that goes on it shows no more")
    max_mb: float = Field(
        default=64.0, gt=0, description="most megabytes of a camera's packets that wait in memory, and in one clip"
    )
    keep_days: float = Field(default=30.0, gt=0, description="what is older is deleted")
    max_gb: float = Field(
        default=10.0, gt=0, description="most gigabytes in the folder: the oldest clips go first, then the pictures"
    )

    @model_validator(mode="after")
    def _holds_an_event(self) -> Self:
        if self.max_s < self.pre_s + self.post_s + 1:
            raise ValueError(f"max_s {self.max_s:g} must be at least a second more than pre_s and post_s together")
        return self

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser()

    @property
    def max_bytes(self) -> int:
        """Of packets in memory."""
        return int(self.max_mb * 1e6)

    def reach_s(self, told_late_s: float) -> float:
        """How far back packets of a camera are kept, seconds.

        Args:
            told_late_s: how long after its beginning an event may be told.
        """
        return min(self.pre_s + told_late_s + _SLACK_S, self.max_s)

    def wants(self, kind: str) -> bool:
        """Whether events of this kind have pictures and clips."""
        return any(fnmatchcase(kind, pattern) for pattern in self.kinds)
