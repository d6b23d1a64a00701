"""SSD as OpenVINO's DetectionOutput gives it: [1, 1, n, 7] of image, class, score, corners in parts of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vidpipe.models.detectors.output_decoders import Candidates, Outputs, Size
from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels


class Ssd:
    pixels: ClassVar = Pixels(rgb=False)
    letterbox: ClassVar = LetterboxMode.STRETCH
    threshold: ClassVar = 0.4
    suppresses = True
    classes: int | None = None

    def __init__(self, outputs: Sequence[Output], size: Size) -> None:
        height, width = size
        self._scale = np.array([width, height, width, height], np.float32)

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        return len(outputs) == 1 and len(outputs[0].shape) == 4 and outputs[0].shape[3] == 7

    def read(self, outputs: Outputs, floor: float) -> Candidates:
        table = outputs[0].reshape(-1, 7)
        # Image -1 marks the end of the list; what lies behind it is left over from earlier pictures.
        end = (table[:, 0] < 0).argmax()
        if table[end, 0] < 0:
            table = table[:end]
        found = table[table[:, 2] >= floor]
        return Candidates(found[:, 3:] * self._scale, found[:, 2], found[:, 1].astype(np.int64))
