"""A user's stages that write down each call, raise where they are told to, and answer what they are told to.

Tests copy this file beside a pipeline, for actors to find it there.
"""

from __future__ import annotations

import builtins
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv

from vidpipe.answer import Answer, How
from vidpipe.frame import Frame
from vidpipe.stages.base import Context, Knob, Stage, StageConfig


class RecordingConfig(StageConfig):
    log: str = ""
    raises: str = ""
    error: str = "ValueError"
    at: int = -1
    once: str = ""
    results: str = ""
    tag: str = Knob("")
    listed: list[str] = Knob([])
    mapped: dict[str, float] = Knob({})


class Recording(Stage[RecordingConfig]):
    """Passes every frame on. A line of its log: its id, the callback, the stream, the setting in force."""

    Config = RecordingConfig

    def open(self, context: Context) -> None:
        self.stream = context.stream
        self.learnt: Counter[str] = Counter()
        self._note("open", self.stream)

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        for frame in frames:
            if self.config.raises != "answer" or frame.seq == self.config.at:
                self._note("answer", frame.stream)
        return [None] * len(frames)

    def learn(self, frame: Frame, answer: Answer) -> Answer | None:
        self.learnt[frame.stream] += 1
        self._note("learn", frame.stream)
        return None

    def forget(self, frame: Frame) -> None:
        self._note("forget", frame.stream)

    def cover(self, frame: Frame) -> Answer | None:
        self._note("cover", frame.stream)
        return None

    def snapshot(self) -> Any:
        self._note("snapshot", self.stream)
        return dict(self.learnt)

    def restore(self, state: Any) -> None:
        self._note("restore", self.stream)
        self.learnt.update(state)

    def snapshot_stream(self, stream: str) -> Any:
        self._note("snapshot_stream", stream)
        return self.learnt[stream]

    def restore_stream(self, stream: str, state: Any) -> None:
        self._note("restore_stream", stream)
        self.learnt[stream] = state

    def close(self) -> None:
        self._note("close", self.stream)

    @property
    def counts(self) -> dict[str, int]:
        if self.config.raises == "counts":
            self._raise("counts")
        return {"learnt": self.learnt.total()}

    def _note(self, callback: str, stream: str | None) -> None:
        if self.config.log:
            with Path(self.config.log).open("a") as log:
                log.write(json.dumps([self.id, callback, stream, self.config.tag]) + "\n")
        if self.config.raises == callback:
            self._raise(callback)

    def _raise(self, callback: str) -> None:
        raise getattr(builtins, self.config.error)(f"no {callback}")


class SharedRecording(Recording):
    """The same for all streams together."""

    shared = True


class DiesOnce(Recording):
    """Kills its process on one frame, once the one before it is in the results, and leaves a file to say so."""

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if any(frame.seq == self.config.at for frame in frames) and not Path(self.config.once).exists():
            Path(self.config.once).touch()
            while Path(self.config.results).read_text().count("\n") < self.config.at:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return [None] * len(frames)


class SharedDiesOnce(DiesOnce):
    shared = True


def boxes(names: Sequence[str], *class_ids: int) -> sv.Detections:
    """One box of each of these classes."""
    return sv.Detections(
        xyxy=np.array([[8 * i, 4, 8 * i + 6, 9] for i in range(len(class_ids))], np.float32).reshape(-1, 4),
        confidence=np.full(len(class_ids), 0.9, np.float32),
        class_id=np.array(class_ids, int),
        data={"class_name": np.array(names)[list(class_ids)]},
    )


class Last(SharedRecording):
    """Answers every frame, but that at which it is told to raise."""

    def open(self, context: Context) -> None:
        super().open(context)
        self.classes = context.classes

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        for frame in frames:
            self._note("answer", frame.stream)
            if frame.seq == self.config.at:
                raise SystemExit("not this one")
        return [Answer(boxes(self.classes, frame.seq % 2), How.MEASURED, self.id, frame.seq) for frame in frames]


SAYS: list[Any] = []


class Says(Recording):
    """Returns from one callback (`raises` names it) what lies in SAYS, for each frame the next, and then again."""

    def answer(self, frames: Sequence[Frame]) -> Any:
        return self._said("answer", frames[0], [None] * len(frames))

    def learn(self, frame: Frame, answer: Answer) -> Any:
        return self._said("learn", frame, None)

    def cover(self, frame: Frame) -> Any:
        return self._said("cover", frame, None)

    def _said(self, callback: str, frame: Frame, otherwise: Any) -> Any:
        return SAYS[frame.seq % len(SAYS)] if self.config.raises == callback else otherwise


class SharedSays(Says):
    shared = True


def odd(answer: Answer) -> list[Any]:
    """What a stage might return in place of a list with this answer of two boxes."""

    def changed(**fields: Any) -> list[Any]:
        spoilt = replace(answer.detections)
        for name, value in fields.items():
            setattr(spoilt, name, value)
        return [replace(answer, detections=spoilt)]

    return [
        None,
        "text",
        [],
        [None, None],
        ["text"],
        [replace(answer, how="measured")],
        [replace(answer, detections=[])],
        [replace(answer, as_of=answer.as_of + 1)],
        [replace(answer, as_of=-2)],
        [replace(answer, reason=object())],
        changed(data={}),
        changed(data={**answer.detections.data, "made by": np.array([lambda: 1, len], object)}),
        changed(class_id=np.array([0, 9])),
        changed(confidence=np.array([0.5, 1.5])),
        changed(confidence=np.array([0.5])),
        changed(xyxy=np.array([[0, 0, 5, 5], [9, 9, 2, 2]], np.float32)),
        changed(xyxy=np.array([[0, 0, 5, 5], [0, 0, 9e9, 9]], np.float32)),
    ]


class Odd(Recording):
    """Gives to each frame the next odd answer, and to those behind them good ones."""

    def open(self, context: Context) -> None:
        super().open(context)
        self.classes = context.classes

    def answer(self, frames: Sequence[Frame]) -> Any:
        good = [Answer(boxes(self.classes, 0, 1), How.MEASURED, self.id, frame.seq) for frame in frames]
        given = odd(good[0])
        return given[frames[0].seq] if frames[0].seq < len(given) else good


class SharedOdd(Odd):
    shared = True
