"""One class of each kind that vidpipe can be extended with; all of them in one pipeline: own.yaml."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import supervision as sv
from pydantic import Field

from vidpipe import (
    Answer,
    Change,
    Event,
    Frame,
    How,
    Knob,
    Moment,
    PictureSource,
    Result,
    Shot,
    Sink,
    SourceConfig,
    Stage,
    StageConfig,
    Status,
    Transform,
    Tuner,
)


class BallConfig(SourceConfig):
    frames: int = 100


class Ball(PictureSource):
    """A source: a bright ball that runs from left to right over a dark picture, and pauses now and then."""

    Config = BallConfig

    def pictures(self) -> Iterator[Shot]:
        for number in range(self.config.frames):
            picture = np.full((120, 160, 3), 30, np.uint8)
            left = 10 + 5 * (number // 2) % 130
            picture[50:70, left : left + 20] = 230
            yield Shot(number / 10, picture)


class FindsBright:
    """A model: no class to inherit from, one method is enough."""

    names = ("ball",)

    def detect(self, images: Sequence[np.ndarray]) -> list[sv.Detections]:
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> sv.Detections:
        rows, columns = np.nonzero(image.max(axis=2) > 200)
        if not len(rows):
            return sv.Detections.empty()
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        return sv.Detections(box, confidence=np.array([0.9], np.float32), class_id=np.array([0]))


class StillConfig(StageConfig):
    below: float = Knob(1.0, ge=0, description="mean change of grey levels under which a frame counts as still")


class Still(Stage[StillConfig]):
    """A stage: repeats the last answer while the picture stands still."""

    Config = StillConfig
    can_be_last = False
    last: Answer | None = None
    seen: np.ndarray | None = None

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        before, self.seen = self.seen, frame.keep(frame.preview()).astype(float)
        if self.last is None or before is None or abs(self.seen - before).mean() >= self.config.below:
            return [None]
        return [Answer(self.last.detections, How.REUSED, self.id, self.last.as_of, "still")]

    def learn(self, frame: Frame, answer: Answer) -> None:
        if answer.as_of == frame.seq:
            self.last = answer


class Halves(Transform[StageConfig]):
    """A transform: tells when the ball goes over the middle of the picture."""

    side = ""

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> None:
        if len(answer.detections):
            side = "left" if answer.detections.xyxy[0, 0] < moment.width / 2 else "right"
            if self.side not in ("", side):
                self.emit("side", moment, to=side)
            self.side = side


class EventsConfig(StageConfig):
    path: str = Field(description="where events go, a line each")


class EventsFile(Sink):
    """A sink: writes events, and counts results."""

    Config = EventsConfig
    results = 0

    def write(self, results: Sequence[Result], published_at: float) -> None:
        self.results += len(results)

    def tell(self, events: Sequence[Event]) -> None:
        with Path(self.config.path).open("a") as file:
            file.writelines(f"{event.pts:g} {event.kind} {event.data['to']}\n" for event in events)


class Patient(Tuner):
    """A tuner: after a while it asks less of what counts as still."""

    done = False

    def tune(self, status: Status) -> list[Change]:
        if self.done or any(stream.frames_in == 0 for stream in status.streams.values()):
            return []
        self.done = True
        return [Change({"still": {"below": 0.5}}, reason="the picture is clean")]
