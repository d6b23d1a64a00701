"""Operations on arrays of boxes, xyxy [n, 4]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64], iou: float
) -> NDArray[np.int64]:
    """Non-maximum suppression, class by class: indices of the boxes that stay, best first.

    A box goes where a better one of its class overlaps it by more than `iou` (intersection over union).
    """
    import cv2

    if len(boxes) < 2:
        return np.arange(len(boxes))
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxesBatched(corner_and_size, scores, classes, -1.0, iou), np.int64)  # type: ignore[arg-type]
    return kept[best_first(scores[kept])]


def best_first(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices in falling order of score; equals stay in order."""
    return (-scores).argsort(kind="stable")


def have_area(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes are more than a line, [n]."""
    extent: NDArray[np.bool_] = boxes[:, 2:] > boxes[:, :2]
    return extent[:, 0] & extent[:, 1]


def over_smaller(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection of a box [4] with each of some boxes [n, 4], over the area of the smaller of the two: [n], 0..1."""
    overlap = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    intersection = np.clip(overlap, 0, None).prod(axis=1)
    smaller = np.minimum((box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    share: NDArray[np.float32] = np.zeros_like(intersection)
    np.divide(intersection, smaller, out=share, where=smaller > 0)
    return share
