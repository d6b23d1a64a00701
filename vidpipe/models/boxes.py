"""Operations on arrays of boxes, xyxy [n, 4]."""

from __future__ import annotations

from typing import Any

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


def area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of each box, [...]."""
    size = boxes[..., 2:] - boxes[..., :2]
    product: NDArray[np.floating] = size[..., 0] * size[..., 1]
    return product


def shifted(boxes: NDArray[np.float32], by: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes [n, 4], each moved by its (x, y) of [n, 2]."""
    moved: NDArray[np.float32] = boxes + np.concatenate([by, by], axis=1)
    return moved


def intersection(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Area that two boxes share; pairs as numpy broadcasts [..., 4] and [..., 4]."""
    # Side by side: numpy takes three times as long over a crowd where the innermost axis has two entries.
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    product: NDArray[np.floating] = np.maximum(width, 0) * np.maximum(height, 0)
    return product


def iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of two boxes, 0..1; pairs as numpy broadcasts. Of boxes without area it is 0."""
    shared = intersection(first, second)
    return _share(shared, area(first) + area(second) - shared)


def one_to_one(worth: NDArray[Any], least: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a table [n, m], paired such that they are worth the most together; pairs under `least` go."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    stays = worth[rows, columns] >= least
    return rows[stays], columns[stays]


def most_pairs(same: NDArray[np.bool_]) -> int:
    """The most rows and columns that can be paired one-to-one where a table [n, m] says that they are the same."""
    return len(one_to_one(same, 1)[0]) if same.any() else 0


def over_smaller(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.floating]:
    """Intersection of a box [4] with each of some boxes [n, 4], over the area of the smaller of the two: [n], 0..1."""
    return _share(intersection(box, boxes), np.minimum(area(box), area(boxes)))


def over_first(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over the area of the first of two boxes, 0..1; pairs as numpy broadcasts."""
    shared = intersection(first, second)
    return _share(shared, np.broadcast_to(area(first), shared.shape))


def _share(part: NDArray[np.floating], whole: NDArray[np.floating]) -> NDArray[np.floating]:
    share: NDArray[np.floating] = np.zeros_like(part)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def apart(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Boxes xyxy [n, 4], those that overlap joined to one that holds both, until no two do: [k, 4]."""
    joined: list[NDArray[np.int64]] = []
    for each in boxes:
        box = each
        while touching := [index for index, other in enumerate(joined) if _touch(box, other)]:
            for index in reversed(touching):
                other = joined.pop(index)
                box = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
        joined.append(box)
    return np.array(joined, np.int64).reshape(-1, 4)


def _touch(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    return bool((np.maximum(one[:2], other[:2]) < np.minimum(one[2:], other[2:])).all())
