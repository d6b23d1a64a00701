"""Whether two sets of boxes say the same of a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import iou, most_pairs

if TYPE_CHECKING:
    import supervision as sv

IOU = 0.5  # from which two boxes of a class are the same object
ENOUGH_F1 = 0.9


class Matched(NamedTuple):
    """How many boxes of two answers are of the same object.

    Attributes:
        right: pairs, matched one-to-one at IoU 0.5 class by class.
        boxes: of both answers together.
    """

    right: int
    boxes: int

    @property
    def f1(self) -> float | None:
        """None where neither answer has a box."""
        return 2 * self.right / self.boxes if self.boxes else None


class Verdict(NamedTuple):
    """How far one answer agrees with another.

    Attributes:
        agrees: of the frame as a whole.
        wrong: `class_id` of the classes that by themselves do not.
    """

    agrees: bool
    wrong: frozenset[int]


def compare(predictions: sv.Detections, truth: sv.Detections) -> Verdict:
    """Hold one answer against another that is taken for right.

    They agree where the F1 of their boxes, matched one-to-one at IoU 0.5 class by class, is at least 0.9: with up to
    four objects every box must be right, with five to nine one of them may be missed or false. To ask for all of them
    would make agreement impossible in a crowd, where two good models differ in one box of ten. Two answers without
    boxes agree.
    """
    classes = _by_class(predictions, truth)
    wrong = frozenset(label for label, matched in classes.items() if not _enough(matched))
    return Verdict(_enough(together(classes.values())), wrong)


def match(predictions: sv.Detections, truth: sv.Detections) -> Matched:
    """Hold the boxes of one answer against another's."""
    (boxes, labels), (others, other_labels) = _columns(predictions), _columns(truth)
    same = _overlap(boxes, others) & (labels[:, None] == other_labels)
    return Matched(most_pairs(same), len(boxes) + len(others))


def together(matched: Iterable[Matched]) -> Matched:
    """What several frames, or classes, come to."""
    right, boxes = 0, 0
    for each in matched:
        right, boxes = right + each.right, boxes + each.boxes
    return Matched(right, boxes)


def match_by_class(
    boxes: NDArray[np.float64], labels: NDArray[Any], others: NDArray[np.float64], other_labels: NDArray[Any]
) -> dict[int, Matched]:
    """The same for boxes [n, 4] and [m, 4] in any one unit, for each class that either side has."""
    matched = {}
    for label in sorted({*labels.tolist(), *other_labels.tolist()}):
        one, other = boxes[labels == label], others[other_labels == label]
        matched[int(label)] = Matched(most_pairs(_overlap(one, other)), len(one) + len(other))
    return matched


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the boxes [n, 4] and [m, 4] may be the same object, [n, m]."""
    return iou(boxes[:, None], others) >= IOU


def _by_class(predictions: sv.Detections, truth: sv.Detections) -> dict[int, Matched]:
    return match_by_class(*_columns(predictions), *_columns(truth))


def _columns(detections: sv.Detections) -> tuple[NDArray[np.float64], NDArray[Any]]:
    labels = np.asarray(detections.class_id if len(detections) else [], int)
    return np.asarray(detections.xyxy, np.float64).reshape(-1, 4), labels


def _enough(matched: Matched) -> bool:
    """Whether F1 = 2 TP / (2 TP + FP + FN) suffices."""
    return 2 * matched.right >= ENOUGH_F1 * matched.boxes
