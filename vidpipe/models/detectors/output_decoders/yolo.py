"""Ultralytics' YOLO: v3, v5, v8 to v12, v26.

Three forms of output: [1, 4 + classes, cells] of v8 and later; [1, 3 * cells, 5 + classes] of the first v5, which
scores objectness apart; [1, n, 6] of networks that suppress doubles themselves (v10, v26, exports with NMS).
Coordinates are pixels of the input, or parts of it (TFLite exports).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.detectors.output_decoders import Candidates, Outputs, Size, cells
from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels


class Yolo:
    pixels: ClassVar = Pixels(rgb=True, scale=1 / 255)
    letterbox: ClassVar = LetterboxMode.CENTRE
    threshold: ClassVar = 0.25

    def __init__(self, outputs: Sequence[Output], size: Size) -> None:
        _, rows, columns = outputs[0].shape
        self._size = size
        self.suppresses = _is_suppressed(rows, columns, size)
        if self.suppresses:
            self.read, self.classes = self._read_suppressed, None
        elif _has_objectness(rows, columns, size):
            self.read, self.classes = self._read_objectness, columns - 5
        else:
            self.read, self.classes = self._read_columns, rows - 4

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        if len(outputs) != 1 or len(outputs[0].shape) != 3:
            return False
        _, rows, columns = outputs[0].shape
        return (
            _is_suppressed(rows, columns, size)
            or _has_objectness(rows, columns, size)
            or (4 < rows < columns and columns in (cells(size), cells(size, (8, 16, 32, 64)), cells(size, (16, 32))))
        )

    def _read_columns(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[0][0]
        # The class is looked up only where the score suffices: argmax over all cells costs ten times the maximum.
        kept = np.flatnonzero(table[4:].max(axis=0) >= floor)
        found = table[:, kept]
        labels = found[4:].argmax(axis=0)
        scores = found[4:][labels, np.arange(len(kept))]
        return Candidates(self._in_pixels(_corners(found[:4].T)), scores, labels)

    def _read_objectness(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[0][0]
        found = table[table[:, 4] >= floor]
        boxes, scores, labels = read_objectness(found, floor)
        return Candidates(self._in_pixels(boxes), scores, labels)

    def _read_suppressed(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[0][0]
        found = table[table[:, 4] >= floor]
        return Candidates(self._in_pixels(found[:, :4].copy()), found[:, 4], found[:, 5].astype(np.int64))

    def _in_pixels(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        # No object in pixels has its whole box within the first two of both sides.
        if len(boxes) and boxes.max() <= 2.0:
            height, width = self._size
            boxes *= (width, height, width, height)
        return boxes


def read_objectness(found: NDArray[np.float32], floor: float) -> Candidates:
    """Rows of centre, size, objectness and class scores as candidates: the score is objectness times the best class."""
    labels = found[:, 5:].argmax(axis=1)
    scores = found[:, 4] * found[np.arange(len(found)), 5 + labels]
    kept = scores >= floor
    return Candidates(_corners(found[kept, :4]), scores[kept], labels[kept])


def _corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre and size as corners: a new array [n, 4]."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _has_objectness(rows: int, columns: int, size: Size) -> bool:
    return rows in (3 * cells(size), 3 * cells(size, (8, 16, 32, 64))) and columns > 5


def _is_suppressed(rows: int, columns: int, size: Size) -> bool:
    return columns == 6 and rows not in (cells(size), 3 * cells(size), 3 * cells(size, (8, 16, 32, 64)))
