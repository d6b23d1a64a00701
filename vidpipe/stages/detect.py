"""A model as a stage; a little one may answer only where it is sure (big/little, Park et al. 2015).

Park et al. accept the little network where the margin between its two best classes is large. A detector has no single
softmax: here a frame is sure when no box has a score between `reject` and `accept`, that is when every box is either
surely there or surely background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.answer import Answer, How
from vidpipe.frame import Frame
from vidpipe.models.base import Score
from vidpipe.stages.base import ClassName, Context, Knob, ModelName, Stage, StageConfig

if TYPE_CHECKING:
    import supervision as sv


class DetectConfig(StageConfig):
    model: ModelName
    accept: Score | dict[ClassName, Score] | None = Knob(
        None,
        description="answer only frames whose every box scores at least this (or under `reject`); by class or for all",
    )
    reject: Score | None = Knob(
        None, description="boxes under this score are background; default: the model's threshold"
    )


class Detect(Stage[DetectConfig]):
    """Answers `measured` with what the model finds; with `accept` it passes on the frames that it is unsure of.

    As the last stage it answers every frame. It leaves what it found in an unsure frame in `frame.notes`, under its id.
    """

    shared = True
    Config = DetectConfig

    def open(self, context: Context) -> None:
        self._detector = context.models.detector(self.config.model)
        self._last = context.last

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if self._last or self.config.accept is None:
            found = self._detector.detect([frame.bgr() for frame in frames])
            return [self._measured(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]
        found = self._detector.detect([frame.bgr() for frame in frames], self.config.reject)
        return [self._if_sure(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]

    def cover(self, frame: Frame) -> Answer | None:
        return frame.notes.get(self.id)

    def _measured(self, frame: Frame, boxes: sv.Detections) -> Answer:
        return Answer(_in_source_pixels(boxes, frame), How.MEASURED, self.id, frame.seq)

    def _if_sure(self, frame: Frame, boxes: sv.Detections) -> Answer | None:
        unsure = self._count_unsure(boxes)
        answer = self._measured(frame, self._detector.keep_sure(boxes))
        if not unsure:
            return answer
        frame.notes[self.id] = replace(answer, reason=f"unsure of {unsure} boxes")
        return None

    def _count_unsure(self, boxes: sv.Detections) -> int:
        if not len(boxes):
            return 0
        accept = self.config.accept
        # By name, not by number: a pipeline without classes of its own has the model's, which nobody listed.
        names = np.asarray(boxes.data["class_name"]).tolist()
        least = np.array([accept.get(name, 0.0) if isinstance(accept, dict) else accept for name in names], float)
        return int(np.count_nonzero(np.asarray(boxes.confidence) < least))


def _in_source_pixels(boxes: sv.Detections, frame: Frame) -> sv.Detections:
    """Boxes of a view that a link has scaled down, in pixels of the source frame."""
    height, width = frame.bgr().shape[:2]
    if (width, height) != (frame.width, frame.height) and len(boxes):
        boxes.xyxy = boxes.xyxy * np.array([frame.width / width, frame.height / height] * 2, boxes.xyxy.dtype)
    return boxes
