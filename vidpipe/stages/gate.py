"""A gate that has learnt its stream: says where nothing is to be found (NoScope section 4; FFS-VA's SNM).

A small network, trained on what the last stage said of this very camera, scores each frame's preview. Below `low` the
frame is answered `empty`; what scores more is passed on, unless only presence is wanted and the score reaches `high`.
Where there is no gate, or none that fits this camera, every frame is passed on, and the reason is said once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from vidpipe.answer import Answer, How, nothing
from vidpipe.errors import ModelError
from vidpipe.frame import Frame
from vidpipe.learning.examples import picture_of
from vidpipe.models.base import Score
from vidpipe.models.gate import Gate, GateNetwork
from vidpipe.stages.base import Context, Knob, Stage, StageConfig

log = logging.getLogger(__name__)


class GateConfig(StageConfig):
    weights: str | None = Field(
        default=None, description="the stream's gate, a .gate file; default: none, every frame is passed on"
    )
    low: Score | None = Knob(None, description="answer `empty` under this score; default: the gate's own")
    high: Score | None = Knob(
        None, description="with `want: presence`, answer from this score on; default: the gate's own"
    )
    filter_degree: Score | None = Knob(
        None, description="moves `low` towards `high`: 0 filters as the gate itself would, 1 decides every frame"
    )
    want: Literal["boxes", "presence"] = Field(
        default="boxes", description="presence: that a target is there is answer enough, as one box of the whole frame"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low:g}, above high, {self.high:g}: swap them")
        return self


class Thresholds(NamedTuple):
    """What is answered: `empty` under `low`, that a target is there from `high` on. None: never."""

    low: float | None
    high: float | None


class GateStage(Stage[GateConfig]):
    """Answers `empty` where its network finds no target; with `want: presence` also that there is one."""

    can_be_last = False
    Config = GateConfig

    def open(self, context: Context) -> None:
        nothing()  # imports what answers are made of now, not under the first frame
        self._stream = context.stream or ""
        self._classes = tuple(context.classes)
        self._why_not = ""
        self._network = self._opened()

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        network = self._network
        if network is None or not self._fits(network.gate, frame):
            return [None]
        score = network.score(picture_of(frame))
        return [self._decided(frame, score, network.gate)]

    def _decided(self, frame: Frame, score: float, gate: Gate) -> Answer | None:
        low, high = thresholds(self.config, gate)
        if low is not None and score < low:
            return Answer(nothing(), How.EMPTY, self.id, frame.seq, f"score {score:.3g} < {low:.3g}")
        if self.config.want == "presence" and high is not None and score >= high:
            return self._presence(frame, score, gate)
        return None

    def _presence(self, frame: Frame, score: float, gate: Gate) -> Answer | None:
        import supervision as sv

        if len(gate.targets) != 1 or gate.targets[0] not in self._classes:
            named = ", ".join(gate.targets) or "anything"
            self._say(f"it looks for {named}, and presence needs one class of the pipeline: nothing is answered so")
            return None
        (target,) = gate.targets
        boxes = sv.Detections(
            xyxy=np.array([[0, 0, frame.width, frame.height]], np.float32),
            confidence=np.array([score], np.float32),
            class_id=np.array([self._classes.index(target)]),
            data={"class_name": np.array([target])},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq, "presence")

    def _opened(self) -> GateNetwork | None:
        if self.config.weights is None:
            self._say("it has no weights: every frame is passed on")
            return None
        try:
            return GateNetwork(Gate.load(Path(self.config.weights)))
        except ModelError as error:
            self._say(f"{error}: every frame is passed on")
            return None

    def _fits(self, gate: Gate, frame: Frame) -> bool:
        if gate.size == (frame.width, frame.height) and picture_of(frame).shape == gate.picture:
            return True
        trained, given = (f"{width} x {height}" for width, height in (gate.size, (frame.width, frame.height)))
        self._say(f"trained on pictures of {trained} (stream {gate.stream}), not {given}: every frame is passed on")
        return False

    def _say(self, why_not: str) -> None:
        """Tell why nothing is answered, once until the reason changes."""
        if why_not != self._why_not:
            self._why_not = why_not
            log.warning("stream %s: gate %s: %s", self._stream, self.id, why_not)


def thresholds(config: GateConfig, gate: Gate) -> Thresholds:
    """Those in force: of the settings, else the gate's own, moved by `filter_degree`.

    FFS-VA's one knob: t = (c_high - c_low) * FilterDegree + c_low, under which frames are dropped.
    """
    low = gate.low if config.low is None else config.low
    high = gate.high if config.high is None else config.high
    if config.filter_degree is not None and low is not None and high is not None:
        low += max(0.0, high - low) * config.filter_degree
    return Thresholds(low, high)
