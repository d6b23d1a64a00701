"""The difference detector with a learnt scene: nothing is there, or what was measured last is still there.

When audits say that more is missed than may be, it loosens at once: what is as faint as the faintest thing that it
missed is passed on from then, in later runs too.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.frame import Frame, Image
from vidpipe.stages.difference.blocks import Blocks
from vidpipe.stages.difference.scene import ALIKE, Scene, Watch, likeness
from vidpipe.stages.difference.threshold_override import read_override, write_override
from vidpipe.statistics.misses import Misses

log = logging.getLogger(__name__)

_QUALITY = 80  # of the empty scene as a snapshot has it: about 5 kB
STRANGE = 5  # pictures in a row that are empty and yet unlike the scene: the camera has been turned


class Asked(NamedTuple):
    """Kept of a frame that may be heard of again.

    Attributes:
        how: it was answered; None: it was passed on.
        score: against the empty scene.
    """

    how: How | None
    score: float


class SceneDifference:
    """Answers `empty` by the learnt scene, `reused` by the last measured picture; passes all on where neither may.

    Args:
        path: of the scene.
    """

    def __init__(self, stage: str, path: str, stream: str | None) -> None:
        self._stage = stage
        self._stream = stream
        self._path = Path(path)
        self._scene = self._as_loosened(Scene.read(self._path))
        self._watch: Watch | None = None
        self._off = False
        self._strange = 0
        self._known: tuple[Image, Answer] | None = None
        self._misses = Misses()
        self._faintest = np.inf  # score of what audits found missed
        self._kept: tuple[bytes, float] | None = None  # the empty scene, packed, and threshold, from before a restart

    def answer(self, frame: Frame) -> Answer | None:
        """The answer to a frame, or None."""
        watch = self._open(frame)
        if watch is None:
            return None
        preview = frame.preview()
        score = watch.against_empty(preview)
        answer: Answer | None
        if score < watch.empty_below:
            reason = f"empty scene {score:.2f} < {watch.empty_below:.2f}"
            answer = Answer(nothing(), How.EMPTY, self._stage, frame.seq, reason)
            self._misses.asked(False)
        else:
            answer = self._repeated(watch, preview)
            if answer is None:
                self._misses.asked(None)
            elif len(answer.detections):  # a repeated "nothing" is not the empty scene's doing
                self._misses.asked(True)
        frame.memos[self._stage] = Asked(answer.how if answer else None, score)
        return answer

    def learn(self, frame: Frame, answer: Answer) -> None:
        """What was measured is the picture to compare with; where that is nothing, the empty scene looks so now."""
        watch = self._open(frame)
        if watch is None or answer.as_of != frame.seq or answer.how is not How.MEASURED:
            return
        preview = frame.preview()
        if self._known is None or frame.seq > self._known[1].as_of:
            self._known = frame.keep(preview), answer
        if answer.partial:
            return
        self._count(watch, frame, answer)
        if not len(answer.detections):
            self._found_empty(watch, preview)

    def forget(self) -> None:
        """The stream broke off: what was measured last may be gone; the empty scene is still there."""
        self._known = None

    def snapshot(self) -> Any:
        """What was learnt since, as something small that pickles: of pictures the empty scene alone, as a JPEG."""
        kept = (_packed(self._watch.image), self._watch.empty_below) if self._watch else self._kept
        return kept, self._off, replace(self._misses), self._faintest

    def restore(self, state: Any) -> None:
        """Take up a snapshot."""
        self._kept, self._off, self._misses, self._faintest = state

    def _as_loosened(self, scene: Scene) -> Scene:
        """The scene with the threshold of an earlier run, where audits loosened it."""
        try:
            kept = read_override(self._path)
        except ConfigError as error:
            log.warning("stream %s: %s: beginning without it", self._stream, error)
            return scene
        return scene if kept is None else replace(scene, empty_below=min(scene.empty_below, kept.empty_below))

    def _repeated(self, watch: Watch, preview: Image) -> Answer | None:
        """The last measured answer, while its picture is unchanged."""
        limit = self._scene.same_below
        if self._known is None or limit == -np.inf:
            return None
        known, answer = self._known
        score = watch.against(preview, known)
        if score >= limit:
            return None
        reason = f"changed {score:.2f} < {limit:.2f}"
        return Answer(answer.detections, How.REUSED, self._stage, answer.as_of, reason)

    def _open(self, frame: Frame) -> Watch | None:
        if self._off:
            return None
        preview = frame.preview()
        if self._watch is None:
            why = self._scene.differs((frame.width, frame.height), preview.astype(np.float32))
            if why and self._kept is None:
                self._turn_off(why)
                return None
            self._watch = Watch(self._scene, Blocks(preview.shape, max(self._scene.usual.shape), frame.hidden))
            if self._kept is not None:
                packed, self._watch.empty_below = self._kept
                self._watch.show(_unpacked(packed))
        elif preview.shape != self._watch.image.shape:
            self._turn_off(f"pictures are {frame.width}x{frame.height} now")
            return None
        return self._watch

    def _count(self, watch: Watch, frame: Frame, answer: Answer) -> None:
        """Keep the count of misses by audits, and loosen when they are more than may be."""
        asked, misses, found = frame.memos.get(self._stage), self._misses, len(answer.detections) > 0
        if not isinstance(asked, Asked):
            return
        # Forced looks are no random sample, and an audit of what was repeated says nothing of the empty scene.
        audited = asked.how is How.EMPTY and answer.audit_of == self._stage
        misses.learn(found, passed=asked.how is None, audited=audited)
        if not (audited and found):
            return
        self._faintest = min(self._faintest, asked.score)
        rate = misses.rate()
        if rate.low <= self._scene.max_miss:
            return
        because = (
            f"audits say that {rate.rate:.1%} are missed ({rate.low:.1%} at least), {self._scene.max_miss:.1%} may be: "
            f"from now on what scores {self._faintest:.2f} is looked at, {watch.empty_below:.2f} did before"
        )
        log.warning("stream %s: %s", self._stream, because)
        watch.empty_below = self._faintest
        self._misses = Misses()
        try:
            write_override(self._path, self._faintest, because)
        except RunError as error:  # this run goes by it all the same
            log.warning("stream %s: %s", self._stream, error)

    def _found_empty(self, watch: Watch, preview: Image) -> None:
        if watch.against_empty(preview) < watch.empty_below:
            self._strange = 0
        elif likeness(preview.astype(np.float32), watch.image) < ALIKE:
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


def _packed(image: NDArray[np.float32]) -> bytes:
    import cv2

    _, packed = cv2.imencode(".jpg", image.round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return packed.tobytes()


def _unpacked(packed: bytes) -> NDArray[np.float32]:
    import cv2

    image = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, np.float32)
