"""YOLOX (Ge et al. 2021): a row for each grid cell: offset and log size in units of its stride, objectness, classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.detectors.output_decoders import Candidates, Outputs, Size, cells
from vidpipe.models.detectors.output_decoders.yolo import read_objectness
from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels

_STRIDES = (8, 16, 32)


class Yolox:
    pixels: ClassVar = Pixels(rgb=False)
    letterbox: ClassVar = LetterboxMode.CORNER
    threshold: ClassVar = 0.3
    suppresses = False

    def __init__(self, outputs: Sequence[Output], size: Size) -> None:
        self.classes: int | None = outputs[0].shape[2] - 5
        self._corners, self._strides = _grid(size)

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        return (
            len(outputs) == 1
            and len(outputs[0].shape) == 3
            and outputs[0].shape[1] == cells(size, _STRIDES)
            and outputs[0].shape[2] > 5
        )

    def read(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[0][0]
        kept = np.flatnonzero(table[:, 4] >= floor)  # no class lifts a score above its objectness
        found = table[kept]
        strides = self._strides[kept]
        found[:, :2] = (found[:, :2] + self._corners[kept]) * strides
        found[:, 2:4] = np.exp(found[:, 2:4]) * strides
        return read_objectness(found, floor)


def _grid(size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each row of the output its cell's (x, y) in cells and its stride [n, 1]."""
    corners, strides = [], []
    for stride in _STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        corners.append(np.stack([x, y], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)
