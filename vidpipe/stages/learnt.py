"""The difference detector with a learnt scene: nothing is there, or what was measured last is still there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vidpipe.answer import Answer, How, nothing
from vidpipe.background.blocks import Blocks
from vidpipe.background.scene import ALIKE, Scene, Watch, likeness
from vidpipe.frame import Frame, Image

log = logging.getLogger(__name__)

STRANGE = 5  # pictures in a row that are empty and yet unlike the scene: the camera has been turned


class Learnt:
    """Answers `empty` by the learnt scene, `reused` by the last measured picture; passes all on where neither may.

    Args:
        path: of the scene.
    """

    def __init__(self, stage: str, path: str, stream: str | None) -> None:
        self._stage = stage
        self._stream = stream
        self._scene = Scene.read(Path(path))
        self._watch: Watch | None = None
        self._off = False
        self._strange = 0
        self._known: tuple[Image, Answer] | None = None
        self._image: Any = None  # of the empty scene, from before a restart

    def answer(self, frame: Frame) -> Answer | None:
        """The answer to a frame, or None."""
        watch = self._open(frame)
        if watch is None:
            return None
        scene, preview = self._scene, frame.preview()
        score = watch.against_empty(preview)
        if score < scene.empty_below:
            return Answer(
                nothing(), How.EMPTY, self._stage, frame.seq, f"empty scene {score:.2f} < {scene.empty_below:.2f}"
            )
        if self._known is None or scene.same_below == -float("inf"):
            return None
        known, answer = self._known
        score = watch.against(preview, known)
        if score >= scene.same_below:
            return None
        return Answer(
            answer.detections,
            How.REUSED,
            self._stage,
            answer.as_of,
            f"changed {score:.2f} < {scene.same_below:.2f}",
        )

    def learn(self, frame: Frame, answer: Answer) -> None:
        """What was measured is the picture to compare with; where that is nothing, the empty scene looks so now."""
        watch = self._open(frame)
        if watch is None or answer.as_of != frame.seq or answer.how is not How.MEASURED:
            return
        preview = frame.preview()
        if self._known is None or frame.seq > self._known[1].as_of:
            self._known = frame.keep(preview), answer
        if not len(answer.detections):
            self._found_empty(watch, preview)

    def forget(self) -> None:
        """The stream broke off: what was measured last may be gone; the empty scene is still there."""
        self._known = None

    def snapshot(self) -> Any:
        """What was learnt since, as something that pickles."""
        return self._known, self._watch and self._watch.image, self._off

    def restore(self, state: Any) -> None:
        """Take up a snapshot."""
        self._known, self._image, self._off = state

    def _open(self, frame: Frame) -> Watch | None:
        if self._off:
            return None
        if self._watch is None:
            image = self._scene.image if self._image is None else self._image
            preview = frame.preview()
            why = self._scene.differs((frame.width, frame.height), preview.astype("float32"))
            if why and self._image is None:
                self._turn_off(why)
                return None
            self._watch = Watch(self._scene, Blocks(preview.shape, max(self._scene.usual.shape), frame.hidden))
            self._watch.show(image)
        elif frame.preview().shape != self._watch.image.shape:
            self._turn_off(f"pictures are {frame.width}x{frame.height} now")
            return None
        return self._watch

    def _found_empty(self, watch: Watch, preview: Image) -> None:
        if watch.against_empty(preview) < self._scene.empty_below:
            self._strange = 0
        elif likeness(preview.astype("float32"), watch.image) < ALIKE:
            self._strange += 1
        watch.found_empty(preview)
        if self._strange >= STRANGE:
            self._turn_off("it shows another view now")

    def _turn_off(self, why: str) -> None:
        self._off = True
        log.warning(
            "stream %s: its learnt scene is not used: %s; all of its frames are passed on (run specialize again)",
            self._stream,
            why,
        )
