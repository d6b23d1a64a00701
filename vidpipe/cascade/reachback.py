"""When a class came or went, where filters had answered in between: by asking the last stage again, by bisection.

Filters answer most frames, and some of these answers are wrong: what appears slowly is seen at the next look only. Once
two looks differ, frames between them are looked at in addition (reachback: Wang et al., "Bandwidth-efficient live video
analytics for drones via edge computing", SEC 2018), until the moment of the change is known. Here that is plain
arithmetic; who keeps the frames and asks is the stream (`runtime/streams/reachback.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from vidpipe.core.rounding import round_seconds


class ReachbackSpec(BaseModel):
    """How far back, and how exactly, it is found out when a class came or went."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(default=5.0, gt=0, le=60, description="media time for which frames are kept to be asked")
    frames: int = Field(default=1, ge=1, le=1000, description="to how many frames exactly the moment is to be known")
    mb: float = Field(default=32.0, gt=0, description="most megabytes that a stream's kept frames take")
    patience_s: float = Field(
        default=5.0, gt=0, le=60, description="how long a frame that is asked may take until the search is given up"
    )


class Correction(NamedTuple):
    """A class came or went earlier than was published.

    Attributes:
        name: of the class.
        appeared: it came; else it went.
        seq, pts, captured_at: of the first frame of which that is known; as of `Result`.
        within: frames between it and the last one that is known to be otherwise; 1: the very next.
        look: number of the frame whose look found the change.
        frames: published answers from `seq` on, before `look`, that say otherwise: these are corrected.
        asked: frames that were asked to find it.
    """

    name: str
    appeared: bool
    seq: int
    pts: float
    captured_at: float | None
    within: int
    look: int
    frames: int
    asked: int


def written(correction: Correction) -> dict[str, Any]:
    """A correction as a line of results has it."""
    fields = correction._asdict() | {"pts": round_seconds(correction.pts)}
    if correction.captured_at is not None:
        fields["captured_at"] = round_seconds(correction.captured_at)
    return {"class": fields.pop("name"), **fields}


def read(line: Mapping[str, Any]) -> Correction:
    """The same again; raises KeyError or TypeError where it is none."""
    return Correction(
        **{"name" if name == "class" else name: line[name] for name in ("class", *Correction._fields[1:])}
    )


class Search:
    """What is asked between two looks that differ.

    All classes that changed share the frames that are asked. A class that comes and goes several times between the two
    is found at one of its changes.

    Args:
        before, look: numbers of the frames of both looks.
        was, now: classes that they found.
        kept: numbers of the frames in between that can be asked.
        frames: to how many frames exactly each moment is to be known.
    """

    def __init__(
        self, before: int, was: frozenset[int], look: int, now: frozenset[int], kept: Iterable[int], frames: int = 1
    ) -> None:
        self.look = look
        self.asked = 0
        self._now = now
        self._kept = sorted(seq for seq in kept if before < seq < look)
        self._frames = frames
        self._between = dict.fromkeys(sorted(was ^ now), (before, look))

    def next(self) -> int | None:
        """The frame to ask next; None: all that can be known is."""
        for low, high in self._between.values():
            inside = self._inside(low, high) if high - low > self._frames else []
            if inside:
                return inside[len(inside) // 2]
        return None

    def tell(self, seq: int, found: frozenset[int]) -> None:
        """Take what a look at a frame between both found."""
        self.asked += 1
        for label, (low, high) in self._between.items():
            if low < seq < high:
                changed = (label in found) == (label in self._now)
                self._between[label] = (low, seq) if changed else (seq, high)

    def lose(self, seq: int) -> None:
        """The frame has no answer: others near it are asked in its place."""
        self._kept.remove(seq)

    def moments(self) -> dict[int, tuple[int, int]]:
        """By class, the last frame at which it was as before and the first at which it was not, as far as is known."""
        return dict(self._between)

    def appeared(self, label: int) -> bool:
        """Whether this class, one of those that changed, came."""
        return label in self._now

    def _inside(self, low: int, high: int) -> list[int]:
        return self._kept[bisect_right(self._kept, low) : bisect_left(self._kept, high)]
