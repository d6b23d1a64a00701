"""ATSS as Open Model Zoo exports it: boxes [n, 5] of corners in pixels of the input and score, labels [n]; n varies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vidpipe.models.detectors.output_decoders import Candidates, Outputs, Size
from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels


class Atss:
    pixels: ClassVar = Pixels(rgb=False)
    letterbox: ClassVar = LetterboxMode.STRETCH
    threshold: ClassVar = 0.3
    suppresses = True
    classes: int | None = None

    def __init__(self, outputs: Sequence[Output], size: Size) -> None:
        self._boxes, self._labels = _order(outputs)

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        return len(_order(outputs)) == 2 and len(outputs) == 2

    def read(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[self._boxes]
        kept = np.flatnonzero(table[:, 4] >= floor)
        found = table[kept]
        return Candidates(found[:, :4], found[:, 4], outputs[self._labels][kept].astype(np.int64))


def _order(outputs: Sequence[Output]) -> list[int]:
    """Positions of boxes and labels; shorter where they are missing."""
    boxes = [i for i, output in enumerate(outputs) if len(output.shape) == 2 and output.shape[1] == 5]
    labels = [i for i, output in enumerate(outputs) if len(output.shape) == 1]
    return [*boxes[:1], *labels[:1]]
