"""Cameras that show a picture when they are told to: its grey is its number. A stage sees a box at the same place."""

from __future__ import annotations

import queue
from collections import defaultdict

import numpy as np
import supervision as sv

from vidpipe import Answer, How, PictureSource, Shot, Stage, StageConfig, nothing
from vidpipe.core.settings import Knob

shown = defaultdict(queue.Queue)
END = object()


class Camera(PictureSource):
    live = True

    def pictures(self):
        while (grey := shown[self.name].get()) is not END:
            yield Shot(grey / 10, np.full((96, 128, 3), grey, np.uint8), 1_700_000_000 + grey / 10)

    def close(self):
        shown[self.name].put(END)


class SeesConfig(StageConfig):
    least: int = Knob(0, ge=0, le=255)
    api_key: str = Knob("")


class Sees(Stage):
    """A person whose left edge is at the picture's grey."""

    Config = SeesConfig

    def answer(self, frames):
        (frame,) = frames
        left = int(frame.luma().mean().round())
        boxes = sv.Detections(
            xyxy=np.array([[left, 20, left + 8, 60]], np.float32),
            confidence=np.array([0.9], np.float32),
            class_id=np.array([0]),
            tracker_id=np.array([7]),
            data={"class_name": np.array(["person"])},
        )
        return [Answer(boxes, How.MEASURED, self.id, frame.seq)]


class Blind(Stage):
    """Says of every frame that there is nothing."""

    can_be_last = False

    def answer(self, frames):
        return [Answer(nothing(), How.EMPTY, self.id, frame.seq) for frame in frames]


class LaxConfig(StageConfig):
    trust: float = Knob(1.0, ge=0, le=1)

    def loosened(self):
        return {"trust": self.trust / 2} if self.trust > 0.5 else {}


class Lax(Blind):
    """The same, with a setting that may be loosened once."""

    Config = LaxConfig
