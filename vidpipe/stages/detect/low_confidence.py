"""What a little model leaves among the features of a frame, for stages below, for `fallback`, and to learn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.stages.detect.acceptance import Decision


class LowConfidenceBoxes(NamedTuple):
    """A little model's view of a frame.

    Attributes:
        answer: what it would answer.
        boxes: float32 xyxy [n, 4] in pixels of the source: where it is not sure, boxes that it would answer and boxes
            that it would not. None where the frame should be looked at as a whole.
        decision: as made on this frame; None where the settings fix what is sure.
    """

    answer: Answer
    boxes: NDArray[np.float32]
    decision: Decision | None = None


def nearest(frame: Frame) -> LowConfidenceBoxes | None:
    """The doubt of the stage nearest above; None where there is none, as on frames that are checked."""
    return next((left for left in reversed(frame.features.values()) if isinstance(left, LowConfidenceBoxes)), None)
