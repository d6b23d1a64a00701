"""Difference detector: while the picture has not changed, an earlier answer still holds (NoScope, section 5).

The distance of two pictures is the mean squared error of their previews, over the whole frame or as the largest over a
grid of blocks. NoScope's two kinds are both here: against an earlier frame of the stream, whose answer is repeated, and
against a reference image of the empty scene, which answers that there is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.answer import Answer, How, nothing
from vidpipe.errors import ConfigError
from vidpipe.frame import Frame, Image
from vidpipe.stages.base import Context, Knob, Stage, StageConfig


class DifferenceConfig(StageConfig):
    threshold: float = Knob(30.0, ge=0, description="largest mean squared error, in grey levels squared, of no change")
    blocks: int = Field(default=10, ge=1, le=64, description="blocks a side, of which the worst counts; 1: whole frame")
    reference: str | None = Field(
        default=None, description="image of the empty scene to compare with, in place of the last measured frame"
    )


class Difference(Stage[DifferenceConfig]):
    """Answers `reused` while the preview differs by no more than `threshold` from that of the reference frame."""

    can_be_last = False
    Config = DifferenceConfig

    def open(self, context: Context) -> None:
        self._errors: _BlockErrors | None = None
        self._preview: Image | None = None
        self._answer: Answer | None = None
        self._stretch = 0
        self._image = _read(self.config.reference) if self.config.reference else None

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        preview = frame.preview()
        if frame.stretch != self._stretch and self._image is None:
            self._preview = self._answer = None
        self._stretch = frame.stretch
        if self._image is not None and (self._preview is None or self._preview.shape != preview.shape):
            self._preview, self._answer = _as_reference(self._image, frame), _empty_scene()
        if self._preview is None or self._answer is None or self._preview.shape != preview.shape:
            return [None]
        error = self._error(frame, preview)
        if error > self.config.threshold:
            return [None]
        known = self._answer
        reason = f"changed {error:.3g} <= {self.config.threshold:g}"
        return [Answer(known.detections, How.REUSED, self.id, known.as_of, reason)]

    def learn(self, frame: Frame, answer: Answer) -> None:
        newer = self._answer is None or frame.seq > self._answer.as_of  # late answers may come out of order
        holds = newer and frame.stretch == self._stretch
        if self._image is None and answer.as_of == frame.seq and holds:
            self._preview, self._answer = frame.keep(frame.preview()), answer

    def snapshot(self) -> Any:
        return self._preview, self._answer, self._stretch

    def restore(self, state: Any) -> None:
        self._preview, self._answer, self._stretch = state

    def _error(self, frame: Frame, preview: Image) -> float:
        """Mean squared error of the worst block; where all of the error in one block would not matter, that bound."""
        import cv2

        assert self._preview is not None
        if self._errors is None or self._errors.shape != preview.shape:
            self._errors = _BlockErrors(preview.shape, self.config.blocks, frame.hidden)
        bound = float(cv2.norm(preview, self._preview, cv2.NORM_L2SQR)) / self._errors.smallest
        if bound <= self.config.threshold or self.config.blocks == 1:
            return bound
        return float(self._errors(preview, self._preview).max())


class _BlockErrors:
    """Mean squared error in each block of a grid, as two small matrix products: a third of the time of cv2.resize.

    Hidden pixels are equal in both pictures; they are no part of a block, so as not to dilute what the others say.

    Attributes:
        smallest: visible pixels of the smallest block.
    """

    def __init__(self, shape: tuple[int, ...], blocks: int, hidden: NDArray[np.bool_] | None) -> None:
        self.shape = shape
        self._rows = _averages(shape[0], blocks)
        self._columns = np.ascontiguousarray(_averages(shape[1], blocks).T)
        self._share = np.round(self._rows @ _visible(shape, hidden) @ self._columns, 5)
        pixels = self._share * np.outer((self._rows > 0).sum(axis=1), (self._columns > 0).sum(axis=0))
        # A block of which less than a pixel is left has nothing to say.
        self._share[pixels < 1] = np.inf
        self.smallest = float(pixels[pixels >= 1].min(initial=np.prod(shape)))

    def __call__(self, one: Image, other: Image) -> NDArray[np.float32]:
        import cv2

        difference = cv2.absdiff(one, other)
        squared = cv2.multiply(difference, difference, dtype=cv2.CV_32F)
        errors: NDArray[np.float32] = self._rows @ squared @ self._columns / self._share
        return errors


def _visible(shape: tuple[int, ...], hidden: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """How much of each pixel of a preview is visible, 0..1: float32 of that shape."""
    if hidden is None:
        return np.ones(shape, np.float32)
    import cv2

    shown = (~hidden).astype(np.float32)
    return np.asarray(cv2.resize(shown, shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _averages(length: int, blocks: int) -> NDArray[np.float32]:
    """Matrix [blocks, length] that averages each of `blocks` runs (fewer where the picture is that small)."""
    edges = np.linspace(0, length, min(blocks, length) + 1).round().astype(int)
    matrix = np.zeros((len(edges) - 1, length), np.float32)
    for row, (start, end) in enumerate(pairwise(edges)):
        matrix[row, start:end] = 1 / (end - start)
    return matrix


def _read(path: str) -> Image:
    import cv2

    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ConfigError(f"reference image {path}: cannot be read as a picture")
    return np.asarray(image, np.uint8)


def _as_reference(image: Image, frame: Frame) -> Image:
    """The reference image as the preview of a frame of that size, with the same parts hidden."""
    import cv2

    from vidpipe.picture import BgrPicture

    luma = frame.luma()
    scaled = cv2.resize(image, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_AREA)
    if frame.hidden is not None:
        scaled = np.where(frame.hidden, luma, scaled)
    picture = BgrPicture(np.dstack([scaled] * 3))
    return Frame(frame.stream, -1, 0.0, picture, frame.width, frame.height).preview()


def _empty_scene() -> Answer:
    return Answer(nothing(), How.REUSED, "", -1)
