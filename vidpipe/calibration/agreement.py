"""Whether two sets of boxes say the same of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import most_pairs

if TYPE_CHECKING:
    import supervision as sv

IOU = 0.5  # from which two boxes of a class are the same object
ENOUGH_F1 = 0.9


class Matched(NamedTuple):
    """How many boxes of two answers are of the same object.

    Attributes:
        right: pairs, matched one-to-one at IoU 0.5 class by class.
        boxes: of both answers together; F1 is 2 `right` / `boxes`.
    """

    right: int
    boxes: int


class Verdict(NamedTuple):
    """How far one answer agrees with another.

    Attributes:
        agrees: of the frame as a whole.
        wrong: `class_id` of the classes that by themselves do not.
    """

    agrees: bool
    wrong: frozenset[int]


def compare(found: sv.Detections, wanted: sv.Detections) -> Verdict:
    """Hold one answer against another that is taken for right.

    They agree where the F1 of their boxes, matched one-to-one at IoU 0.5 class by class, is at least 0.9: with up to
    four objects every box must be right, with five to nine one of them may be missed or false. To ask for all of them
    would make agreement impossible in a crowd, where two good models differ in one box of ten. Two answers without
    boxes agree.
    """
    rights = {label: _matched(found, wanted, label) for label in sorted(_labels(found) | _labels(wanted))}
    sizes = {label: _count(found, label) + _count(wanted, label) for label in rights}
    wrong = frozenset(label for label, right in rights.items() if not _enough(right, sizes[label]))
    return Verdict(_enough(sum(rights.values()), sum(sizes.values())), wrong)


def match(found: sv.Detections, wanted: sv.Detections) -> Matched:
    """Hold the boxes of one answer against another's."""
    right = sum(_matched(found, wanted, label) for label in _labels(found) & _labels(wanted))
    return Matched(right, len(found) + len(wanted))


def f1(found: sv.Detections, wanted: sv.Detections) -> float | None:
    """F1 of the boxes of one answer against another's; None where neither has any."""
    right, boxes = match(found, wanted)
    return 2 * right / boxes if boxes else None


def _enough(right: int, boxes: int) -> bool:
    """Whether F1 = 2 TP / (2 TP + FP + FN) suffices; `boxes` are those of both answers."""
    return 2 * right >= ENOUGH_F1 * boxes


def _matched(found: sv.Detections, wanted: sv.Detections, label: int) -> int:
    """The most pairs that boxes of a class can be matched in."""
    return most_pairs(_boxes(found, label), _boxes(wanted, label), IOU)


def _boxes(detections: sv.Detections, label: int) -> NDArray[np.float64]:
    boxes: NDArray[np.float64] = np.asarray(detections.xyxy, np.float64)[np.asarray(detections.class_id) == label]
    return boxes


def _count(detections: sv.Detections, label: int) -> int:
    return int(np.count_nonzero(np.asarray(detections.class_id) == label)) if len(detections) else 0


def _labels(detections: sv.Detections) -> set[int]:
    return set(np.asarray(detections.class_id).tolist()) if len(detections) else set()
