"""Whether a little model is worth asking on a stream at all, by its boxes against those of the model below it.

Where it sees hardly half of what the big one sees, as where things are small, what it is sure of is no better than the
rest: a box that it does not have cannot be unsure. Asking it there only makes the big model dearer.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from vidpipe.statistics.agreement import Matched

WINDOW = 64  # labelled looks that are remembered
LEAST_BOXES = 20  # of both models, before the little one is given up
ASK_ANYWAY = 1 / 16  # share of frames by which a model that is not worth asking may show that it is now


class Usefulness:
    """What came of a stream's latest looks of the little model at which the next one looked as well.

    Attributes:
        is_tried: whether there was any.
    """

    def __init__(self) -> None:
        self._looks: deque[Matched] = deque(maxlen=WINDOW)
        self.is_tried = False

    def learn(self, matched: Matched) -> None:
        """Both have looked at a frame."""
        self.is_tried = True
        if matched.boxes:
            self._looks.append(matched)

    def reaches(self, f1: float) -> bool:
        """Whether the F1 of its boxes is as high as that; it is believed until looks say otherwise.

        Most frames that are labelled are those that it was unsure of: the F1 of all is higher, if anything.
        """
        right = sum(look.right for look in self._looks)
        boxes = sum(look.boxes for look in self._looks)
        return boxes < LEAST_BOXES or 2 * right >= f1 * boxes

    def snapshot(self) -> Any:
        return tuple(self._looks), self.is_tried

    def restore(self, state: Any) -> None:
        looks, self.is_tried = state
        self._looks.extend(looks)
