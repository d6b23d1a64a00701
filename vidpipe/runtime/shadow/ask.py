"""What is asked in the shadow of a run, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.settings import StageConfig


class Variant(NamedTuple):
    """A stage under other settings.

    Attributes:
        stage: its id.
        settings: new values by field; the others are those that are in force for the stream.
    """

    stage: str
    settings: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return " ".join([self.stage, *(f"{name}={value}" for name, value in self.settings.items())])


class Shadow(NamedTuple):
    """What variants say of one frame.

    Attributes:
        seq, pts: of the frame; -1 and 0.0 where the stream had ended before it was asked of one.
        answers: one for each variant, in their order; `failed`, with a reason, where there is none.
        cpu_ms: CPU time of each.
    """

    stream: str
    seq: int
    pts: float
    answers: tuple[Answer, ...]
    cpu_ms: tuple[float, ...]


class ShadowAsk(NamedTuple):
    """A variant on its way down to the place of its stage.

    Attributes:
        number: of the question that it belongs to.
        place: among the variants of that question.
        label: what it is counted as.
        config: all settings of the stage.
        back: asked for reachback: of the stage of the run itself, once no frame waits for it.
    """

    number: int
    place: int
    label: str
    stage: str
    config: StageConfig
    back: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """Which one it is."""
        return self.number, self.place


class Reply(NamedTuple):
    """What a variant said, and what that cost in nanoseconds."""

    answer: Answer
    wall_ns: int = 0
    cpu_ns: int = 0


Tell = Callable[[ShadowAsk, Reply], None]
"""Called with each reply, in some thread."""


def refuse(asks: Sequence[ShadowAsk], tell: Tell, reason: str) -> None:
    """Tell that these have no answer."""
    for ask in asks:
        tell(ask, Reply(Answer(nothing(), How.FAILED, "engine", -1, reason)))
