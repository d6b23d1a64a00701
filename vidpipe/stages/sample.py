"""The frame-rate knob: looks at so many frames a second and skips the others (Chameleon's first knob)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from vidpipe.cascade.stage import Context, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knob, StageConfig

_SLACK_S = 1e-3  # some containers round to milliseconds: at 30 of 30 frames a second every third would miss its slot


class SampleConfig(StageConfig):
    fps: float = Knob(..., gt=0, le=1000, description="frames a second of media time that are passed on")

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`."""
        return {"fps": min(1000.0, round(1.5 * self.fps, 2))} if self.fps < 1000 else {}


class Sample(Stage[SampleConfig]):
    """Passes on the first frame of each 1/fps seconds of media time; the others are `skipped`."""

    can_be_last = False
    Config = SampleConfig

    def open(self, context: Context) -> None:
        self._slot: int | None = None

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        # Slots are counted from media time zero, not from the last frame taken: rounding does not add up to a drift.
        slot = floor((frame.pts + _SLACK_S) * self.config.fps)
        if slot != self._slot:
            self._slot = slot
            return [None]
        return [Answer(nothing(), How.SKIPPED, self.id, -1, f"over {self.config.fps:g} frames a second")]

    def snapshot(self) -> Any:
        return self._slot

    def restore(self, state: Any) -> None:
        self._slot = state
