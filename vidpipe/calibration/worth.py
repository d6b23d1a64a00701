"""Whether a little model is worth asking on a stream at all, by its boxes against those of the model below it.

Where it sees hardly half of what the big one sees, as where things are small, what it is sure of is no better than the
rest: a box that it does not have cannot be unsure. Asking it there only makes the big model dearer.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from vidpipe.calibration.agreement import Matched
from vidpipe.calibration.wilson import wilson

WINDOW = 64  # labelled looks that are remembered
LEAST_LOOKS = 3
ASK_ANYWAY = 1 / 16  # share of frames by which a model that is not worth asking may show that it is now


class Worth:
    """What came of a stream's latest looks of the little model at which the next one looked as well."""

    def __init__(self) -> None:
        self._looks: deque[Matched] = deque(maxlen=WINDOW)

    def learn(self, matched: Matched) -> None:
        """Both have looked at a frame."""
        if matched.boxes:
            self._looks.append(matched)

    def reaches(self, f1: float) -> bool:
        """Whether the F1 of its boxes may be as high as that; it is believed until looks say otherwise.

        Most frames that are labelled are those that it was unsure of: the F1 of all is higher, if anything.
        """
        if len(self._looks) < LEAST_LOOKS:
            return True
        right = sum(look.right for look in self._looks)
        boxes = sum(look.boxes for look in self._looks)
        _, high = wilson(right, boxes / 2)
        return high >= f1

    def snapshot(self) -> Any:
        return tuple(self._looks)

    def restore(self, state: Any) -> None:
        self._looks.extend(state)
