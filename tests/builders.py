"""What tests of cascades and engines are made of: frames, boxes, and stages that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import supervision as sv

from vidpipe.answer import Answer, How
from vidpipe.cascade import AuditSpec, Cascade
from vidpipe.frame import Frame
from vidpipe.picture import BgrPicture
from vidpipe.seat import Seat
from vidpipe.stages.base import Stage

CLASSES = tuple(f"class{i}" for i in range(10))
NO_AUDITS = AuditSpec(rate=0, max_unchecked_s=None)


def frame(seq: int = 0, *, stream: str = "cam", pts: float | None = None, size: tuple[int, int] = (64, 48)) -> Frame:
    """A dark picture of (width, height) pixels."""
    pixels = np.full((size[1], size[0], 3), 40, np.uint8)
    return Frame(stream, seq, seq / 10 if pts is None else pts, BgrPicture(pixels), *size, since=1.0)


def boxes(*classes: int) -> sv.Detections:
    """One box of each of these classes."""
    count = len(classes)
    return sv.Detections(
        xyxy=np.array([[4 * i, 4, 4 * i + 3, 9] for i in range(count)], np.float32).reshape(-1, 4),
        confidence=np.full(count, 0.9, np.float32),
        class_id=np.array(classes, int),
        data={"class_name": np.array([f"class{i}" for i in classes], dtype=str)},
    )


def answer(by: str, *classes: int, how: How = How.MEASURED, as_of: int = 0, reason: str = "") -> Answer:
    return Answer(boxes(*classes), how, by, as_of, reason)


class Told(Stage[Any]):
    """Answers by a function of the frame; keeps what it was asked and told."""

    shared = False

    def __init__(self, id: str, says: Callable[[Frame], Answer | None]) -> None:
        self.id = id
        self.says = says
        self.asked: list[int] = []
        self.learnt: list[tuple[int, str]] = []
        self.calls: list[int] = []

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        self.calls.append(len(frames))
        self.asked += [frame.seq for frame in frames]
        return [self.says(frame) for frame in frames]

    def learn(self, frame: Frame, answer: Answer) -> Answer | None:
        self.learnt.append((frame.seq, answer.by))
        return None


class SharedTold(Told):
    """The same, one instance for all streams."""

    shared = True


def passes(_: Frame) -> None:
    """Says nothing of any frame."""


def measures(by: str, *classes: int) -> Callable[[Frame], Answer]:
    """Finds the same boxes in each frame."""
    return lambda frame: answer(by, *classes, as_of=frame.seq)


def cascade(*stages: Told, audit: AuditSpec = NO_AUDITS, **options: Any) -> Cascade:
    """These stages in one place, the last of them the last of the pipeline."""
    last = stages[-1].id
    seats = [Seat(stage.id, stage.shared, stage.id == last, lambda _, stage=stage: stage, CLASSES) for stage in stages]
    return Cascade(seats, audit, last=last, **options)
