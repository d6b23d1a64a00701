"""TensorFlow's Object Detection API: detection_boxes (top, left, bottom, right in parts of the picture),
detection_scores, detection_classes, which count from 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vidpipe.models.detectors.output_decoders import Candidates, Outputs, Size
from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels


class Tfod:
    pixels: ClassVar = Pixels(rgb=True)
    letterbox: ClassVar = LetterboxMode.STRETCH
    threshold: ClassVar = 0.4
    suppresses = True
    classes: int | None = None

    def __init__(self, outputs: Sequence[Output], size: Size) -> None:
        places = _places(outputs)
        self._boxes, self._scores, self._classes = places["boxes"], places["scores"], places["classes"]
        height, width = size
        self._scale = np.array([width, height, width, height], np.float32)

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        places = _places(outputs)
        return len(places) == 3 and outputs[places["boxes"]].shape[-1] == 4

    def read(self, outputs: Outputs, floor: float) -> Candidates:
        scores = outputs[self._scores].reshape(-1)
        kept = np.flatnonzero(scores >= floor)
        boxes = outputs[self._boxes].reshape(-1, 4)[kept][:, (1, 0, 3, 2)] * self._scale
        return Candidates(boxes, scores[kept], outputs[self._classes].reshape(-1)[kept].astype(np.int64) - 1)


def _places(outputs: Sequence[Output]) -> dict[str, int]:
    """Which output is which, by the names that the API gives them; a name may carry a suffix (":0")."""
    return {
        role: index
        for role in ("boxes", "scores", "classes")
        for index, output in enumerate(outputs)
        if any(name.startswith(f"detection_{role}") for name in output.names)
    }
