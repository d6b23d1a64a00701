"""Chameleon as a baseline: one stage that runs the pipeline's detectors as `vidpipe.tuning.chameleon` decides.

Everything is on its bill: the seconds in which golden looks at every frame, and what is held against it there. What
looks cost was measured before, on the fitted part, so that its decisions do not depend on how busy the machine is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from vidpipe.cascade.stage import Context, DetectorName, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import Size
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.tuning.chameleon.policy import Policy, Rules
from vidpipe.tuning.chameleon.space import Look, Space
from vidpipe.tuning.chameleon.trial import Trial

if TYPE_CHECKING:
    import supervision as sv

NOTE = (
    "Chameleon with the constants of those who built it anew, as the paper could not be read: segments of 4 s, golden "
    "in at most the first second of those that are judged, windows of 4 segments, k = 5. The answers of golden are "
    "published in that second, between looks the last answer is held, and a second without an object changes nothing. "
    "All that is judged is on its bill; what a look costs was measured on the fitted part, and is not."
)


class PricedLook(BaseModel):
    """A detector at a size, and what a look of it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: DetectorName
    size: Size | None = Field(description="of the input; null: as the pipeline has it")
    cpu_ms: float = Field(description="CPU time of a look")


class ChameleonConfig(StageConfig):
    looks: list[PricedLook] = Field(description="those to choose from; of each model the largest size first")
    strides: list[int] = Field(description="one frame in so many is looked at; rising, from 1")
    fps: float = Field(gt=0, description="frames a second of the stream")
    alpha: float = Field(gt=0, lt=1, description="F1 against golden that a configuration must have")
    tries: bool = Field(description="whether each later segment is judged, or only the first one of a window")


class ChameleonStage(Stage[ChameleonConfig]):
    """Answers every frame: `measured` where it looks, `skipped` where the last look is held."""

    Config = ChameleonConfig

    def open(self, context: Context) -> None:
        config, models = self.config, [look.model for look in self.config.looks]
        priced = {Look(look.model, models[:place].count(look.model)): look for place, look in enumerate(config.looks)}
        space = Space.of({look: by.cpu_ms for look, by in priced.items()}, config.strides)
        self._detectors = {look: context.models.detector(look.model, priced[look].size) for look in space.looks}
        # Without trials nothing but profiles is left to tell how long a window should be.
        rules = Rules(alpha=config.alpha, tries=config.tries)
        self._rules = rules if config.tries else Rules(alpha=config.alpha, tries=False, windows=(rules.window,) * 2)
        self._golden = space.golden
        self._policy = Policy(space, self._rules)
        self._begin: float | None = None
        self._segment = -1
        self._trial: Trial | None = None

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        self._enter(frame)
        if self._trial is not None:
            return [self._judged(frame, self._trial)]
        chosen = self._policy.chosen(frame.stream) or self._golden
        if frame.seq % chosen.stride == 0:
            return [self._measured(frame, self._look(frame, chosen.look))]
        return [Answer(nothing(), How.SKIPPED, self.id, -1, f"not one in {chosen.stride}")]

    def _enter(self, frame: Frame) -> None:
        """Begin a segment where this frame does; a trial that a gap in the stream cut short ends with its own."""
        begin = self._begin = frame.pts if self._begin is None else self._begin
        segment = floor((frame.pts - begin) / self._rules.segment_s)
        if segment == self._segment:
            return
        if self._trial is not None:
            self._end(frame, self._trial)
        self._segment = segment
        question = self._policy.question(frame.stream, segment)
        if question is not None:
            frames = max(1, round(self.config.fps * self._rules.profile_s))
            self._trial = Trial(question, frames, self.config.alpha)

    def _judged(self, frame: Frame, trial: Trial) -> Answer:
        """Golden's answer; others look at the frame, too."""
        seen = {look: self._look(frame, look) for look in trial.wanted()}
        trial.take(seen)
        if trial.done:
            self._end(frame, trial)
        return self._measured(frame, seen[self._golden.look])

    def _end(self, frame: Frame, trial: Trial) -> None:
        self._policy.learn(frame.stream, trial.question, trial.f1())
        self._trial = None

    def _look(self, frame: Frame, look: Look) -> sv.Detections:
        (found,) = self._detectors[look].detect([frame.bgr()])
        return in_source_pixels(found, frame)

    def _measured(self, frame: Frame, found: sv.Detections) -> Answer:
        return Answer(found, How.MEASURED, self.id, frame.seq)
