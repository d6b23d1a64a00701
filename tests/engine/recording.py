"""A user's stages that write down each call, raise where they are told to, and answer what they are told to.

Tests copy this file beside a pipeline, for actors to find it there.
"""

from __future__ import annotations

import builtins
import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
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
    """Kills its process on one frame, and leaves its log behind to say so."""

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if any(frame.seq == self.config.at for frame in frames) and not Path(self.config.log).exists():
            Path(self.config.log).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [None] * len(frames)


class SharedDiesOnce(DiesOnce):
    shared = True


def boxes(*class_ids: int) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([[8 * i, 4, 8 * i + 6, 9] for i in range(len(class_ids))], np.float32).reshape(-1, 4),
        confidence=np.full(len(class_ids), 0.9, np.float32),
        class_id=np.array(class_ids, int),
        data={"class_name": np.array(["even", "odd"])[list(class_ids)]},
    )


class Last(SharedRecording):
    """Answers every frame, but that at which it is told to raise."""

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        for frame in frames:
            self._note("answer", frame.stream)
            if frame.seq == self.config.at:
                raise SystemExit("not this one")
        return [Answer(boxes(frame.seq % 2), How.MEASURED, self.id, frame.seq) for frame in frames]


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
        if self.config.raises != callback or not SAYS:
            return otherwise
        said = SAYS[frame.seq % len(SAYS)]
        return said(self, frame) if callable(said) else said


class SharedSays(Says):
    shared = True
