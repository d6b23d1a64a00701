"""Difference detector: while the picture has not changed, an earlier answer still holds (NoScope, section 5).

The distance of two pictures is the mean squared error of their previews, over the whole frame or as the largest over a
grid of blocks. NoScope's two kinds are both here: against an earlier frame of the stream, whose answer is repeated, and
against a reference image of the empty scene, which answers that there is nothing. With the `scene` that `vidpipe
specialize` has learnt, both are asked, and the blocks' errors are weighed by what they have meant on this stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from vidpipe.cascade.stage import Context, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.stages.difference.blocks import Blocks, Grid
from vidpipe.stages.difference.scene_difference import SceneDifference

_SLACK_S = 1e-3  # some containers round to milliseconds
MOST_KEPT = 512  # previews of 20 kB: what `earlier_s` may reach back


class DifferenceConfig(StageConfig):
    threshold: float = Knob(30.0, ge=0, description="largest mean squared error, in grey levels squared, of no change")
    blocks: int = Field(default=10, ge=1, le=64, description="blocks a side, of which the worst counts; 1: whole frame")
    reference: str | None = Field(
        default=None, description="image of the empty scene to compare with, in place of the last measured frame"
    )
    earlier_s: float | None = Field(
        default=None,
        gt=0,
        le=60,
        description="compare with the frame so many seconds ago, in place of the last measured one",
    )
    scene: str | None = Field(
        default=None,
        description="file of the learnt scene, as `vidpipe specialize` makes it, in place of all of the above",
    )
    enabled: bool = Knob(True, description="false: passes every frame on")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in ("reference", "earlier_s", "scene") if getattr(self, name) is not None]
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(kinds)} each say what to compare with: keep one of them")
        return self

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`; a learnt scene has limits of its own, which audits loosen."""
        return {} if self.scene is not None or self.threshold < 1 else {"threshold": round(0.7 * self.threshold, 2)}


class Memory(Protocol):
    """What pictures are compared with."""

    def known(self, frame: Frame) -> tuple[Image, Answer] | None:
        """The picture to compare with, as a preview of this frame's size, and its answer; None: there is none yet."""
        ...

    def answered(self, frame: Frame, answer: Answer) -> None:
        """This stage answered so itself."""
        ...

    def learn(self, frame: Frame, answer: Answer) -> None:
        """A later stage answered so."""
        ...

    def forget(self) -> None:
        """The stream broke off: what happened meanwhile nobody saw."""
        ...


class Difference(Stage[DifferenceConfig]):
    """Answers `reused` while the preview differs by no more than `threshold` from that of the reference frame."""

    can_be_last = False
    Config = DifferenceConfig

    def open(self, context: Context) -> None:
        config = self.config
        self._blocks: Blocks | None = None
        self._nothing: Grid | None = None
        self._discontinuity = 0
        self._scene_difference = SceneDifference(self.id, config.scene, context.stream) if config.scene else None
        self._memory: Memory = _Measured()
        if config.reference:
            self._memory = _Picture(config.reference)
        elif config.earlier_s is not None:
            self._memory = _Earlier(config.earlier_s)

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        if frame.discontinuity != self._discontinuity:
            self._discontinuity = frame.discontinuity
            (self._scene_difference or self._memory).forget()
        if not self.config.enabled:
            self._memory.forget()
            return [None]
        if self._scene_difference:
            return [self._scene_difference.answer(frame)]
        known = self._memory.known(frame)
        if known is None:
            return [None]
        preview, answer = known
        error = self._error(frame, preview)
        if error > self.config.threshold:
            return [None]
        reason = f"changed {error:.3g} <= {self.config.threshold:g}"
        repeated = Answer(answer.detections, How.REUSED, self.id, answer.as_of, reason)
        self._memory.answered(frame, repeated)
        return [repeated]

    def learn(self, frame: Frame, answer: Answer) -> None:
        if frame.discontinuity != self._discontinuity:  # a late answer, from before the stream broke off
            return
        if self._scene_difference:
            self._scene_difference.learn(frame, answer)
        elif self.config.enabled:  # else the newest look would only be a picture to make for each
            self._memory.learn(frame, answer)

    def snapshot(self) -> Any:
        # Without pictures there is no snapshot of a memory: after a restart the next look begins it anew.
        return (self._scene_difference.snapshot(), self._discontinuity) if self._scene_difference else None

    def restore(self, state: Any) -> None:
        if self._scene_difference:
            known, self._discontinuity = state
            self._scene_difference.restore(known)

    def _error(self, frame: Frame, known: Image) -> float:
        """Mean squared error of the worst block; where all of the error in one block would not matter, that bound."""
        import cv2

        preview = frame.preview()
        if self._blocks is None or self._blocks.shape != preview.shape:
            self._blocks = Blocks(preview.shape, self.config.blocks, frame.hidden)
        bound = float(cv2.norm(preview, known, cv2.NORM_L2SQR)) / self._blocks.smallest
        if bound <= self.config.threshold or self.config.blocks == 1:
            frame.computed[self.id] = self._quiet(self._blocks.grid)
            return bound
        errors = self._blocks.errors(preview, known)
        frame.computed[self.id] = np.log1p(errors / max(self.config.threshold, 1.0))
        return float(errors.max())

    def _quiet(self, grid: tuple[int, int]) -> Grid:
        """Of a picture in which no block can matter."""
        if self._nothing is None or self._nothing.shape != grid:
            self._nothing = np.zeros(grid, np.float32)
            self._nothing.setflags(write=False)
        return self._nothing


class _Measured:
    """The last picture that somebody looked at."""

    def __init__(self) -> None:
        self._known: tuple[Image, Answer] | None = None

    def known(self, frame: Frame) -> tuple[Image, Answer] | None:
        known = self._known
        return known if known is not None and known[0].shape == frame.preview().shape else None

    def answered(self, frame: Frame, answer: Answer) -> None:
        """Nobody looked: what was measured stays the reference, or slow change would never add up."""

    def learn(self, frame: Frame, answer: Answer) -> None:
        newer = self._known is None or frame.seq > self._known[1].as_of  # late answers may come out of order
        if answer.as_of == frame.seq and newer:
            self._known = frame.keep(frame.preview()), answer

    def forget(self) -> None:
        self._known = None


class _Earlier:
    """The picture of some seconds ago, whoever answered it: NoScope's t_diff.

    Change that is slower than this goes unnoticed; that is the price of being at peace with light that drifts.
    """

    def __init__(self, earlier_s: float) -> None:
        self._earlier_s = earlier_s - _SLACK_S
        self._ring: deque[tuple[float, Image, Answer]] = deque(maxlen=MOST_KEPT)

    def known(self, frame: Frame) -> tuple[Image, Answer] | None:
        ring, shape = self._ring, frame.preview().shape
        if ring and not 0 <= frame.pts - ring[0][0] <= 3 * self._earlier_s:  # after a gap, or from the beginning again
            ring.clear()
        while len(ring) > 1 and frame.pts - ring[1][0] >= self._earlier_s:
            ring.popleft()
        if not ring or frame.pts - ring[0][0] < self._earlier_s or ring[0][1].shape != shape:
            return None
        return ring[0][1:]

    def answered(self, frame: Frame, answer: Answer) -> None:
        self._ring.append((frame.pts, frame.keep(frame.preview()), answer))

    def learn(self, frame: Frame, answer: Answer) -> None:
        if not self._ring or frame.pts > self._ring[-1][0]:
            self.answered(frame, answer)

    def forget(self) -> None:
        self._ring.clear()


class _Picture:
    """An image of the empty scene, which stays as it is."""

    def __init__(self, path: str) -> None:
        self._image = _read(path)
        self._preview: Image | None = None
        self._answer = Answer(nothing(), How.REUSED, "", -1)

    def known(self, frame: Frame) -> tuple[Image, Answer] | None:
        if self._preview is None or self._preview.shape != frame.preview().shape:
            self._preview = _as_reference(self._image, frame)
        return self._preview, self._answer

    def answered(self, frame: Frame, answer: Answer) -> None:
        """Changes nothing."""

    def learn(self, frame: Frame, answer: Answer) -> None:
        """Changes nothing."""

    def forget(self) -> None:
        """The empty scene stays what it is."""


def _read(path: str) -> Image:
    import cv2

    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ConfigError(f"reference image {path}: cannot be read as a picture")
    return np.asarray(image, np.uint8)


def _as_reference(image: Image, frame: Frame) -> Image:
    """The reference image as the preview of a frame of that size, with the same parts hidden."""
    import cv2

    from vidpipe.core.picture import BgrPicture

    luma = frame.luma()
    scaled = cv2.resize(image, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_AREA)
    if frame.hidden is not None:
        scaled = np.where(frame.hidden, luma, scaled)
    picture = BgrPicture(np.dstack([scaled] * 3))
    return Frame(frame.stream, -1, 0.0, picture, frame.width, frame.height).preview()
