"""Looking at every n-th frame by number: what strides are measured with."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig


class EveryNthConfig(StageConfig):
    stride: int = Field(ge=1, description="one frame in so many is passed on")


class EveryNth(Stage[EveryNthConfig]):
    """Passes on frames 0, n, 2n, ...; the others are `skipped`.

    Not the frame-rate knob at fps / n: its slots are of media time, so at an irregular rate it takes other frames than
    those that a grid of strides was scored with.
    """

    can_be_last = False
    Config = EveryNthConfig

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [
            None
            if frame.seq % self.config.stride == 0
            else Answer(nothing(), How.SKIPPED, self.id, -1, f"not one in {self.config.stride}")
            for frame in frames
        ]
