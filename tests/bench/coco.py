"""The same scene as pycocotools evaluates it: its verdict is what ours is held against."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.bench.builders import CLASSES, at, series
from vidpipe.accuracy.series import Boxes, Series

_BEYOND = 2e10  # px², larger than any area range: COCO's only way to ignore a box that is no crowd


def evaluated(found: Series, truth: Series) -> COCOeval:
    """COCOeval at IoU 0.5, all areas, any number of detections, over the frames that `truth` knows."""
    labels, answers = COCO(), COCO()
    images = [{"id": int(frame) + 1} for frame in np.flatnonzero(truth.known)]
    categories = [{"id": number, "name": name} for number, name in enumerate(truth.classes)]
    labels.dataset = {"images": images, "categories": categories, "annotations": _annotations(truth, truth.boxes)}
    answers.dataset = {"images": images, "categories": categories, "annotations": _annotations(truth, found.boxes)}
    with contextlib.redirect_stdout(io.StringIO()):
        labels.createIndex()
        answers.createIndex()
        run = COCOeval(labels, answers, "bbox")
        run.params.iouThrs = np.array([0.5])
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.params.maxDets = [100_000]
        run.evaluate()
        run.accumulate()
    return run


def random_scene(seed: int, frames: int = 6) -> tuple[Series, Series]:
    """Found and wanted boxes, crowded, on a coarse grid: many equal overlaps and scores, some at the very threshold."""
    rng = np.random.default_rng(seed)

    def row(**columns: Any) -> Any:
        x, y, w, h = rng.integers(0, 5, 2).tolist() + rng.integers(2, 6, 2).tolist()
        return at(int(rng.integers(frames)), x, y, w=w, h=h, label=int(rng.integers(2)), **columns)

    found = [row(score=float(np.float32(rng.integers(1, 9) / 8))) for _ in range(rng.integers(80))]
    kinds = rng.choice(3, int(rng.integers(60)), p=[0.7, 0.2, 0.1])
    truth = [row(ignored=bool(kind), crowd=bool(kind == 2)) for kind in kinds]
    unknown = np.flatnonzero(rng.random(frames) < 0.2).tolist()
    return series(frames, *found, classes=CLASSES), series(frames, *truth, classes=CLASSES, unknown=unknown)


def _annotations(of: Series, boxes: Boxes) -> list[dict[str, Any]]:
    xyxy = boxes.xyxy.astype(np.float64)
    sizes = xyxy[:, 2:] - xyxy[:, :2]
    return [
        {
            "id": row + 1,
            "image_id": int(boxes.frame[row]) + 1,
            "category_id": int(boxes.label[row]),
            "bbox": [*xyxy[row, :2].tolist(), *sizes[row].tolist()],
            "area": _BEYOND if boxes.ignored[row] and not boxes.crowd[row] else float(sizes[row].prod()),
            "iscrowd": int(boxes.crowd[row]),
            "score": float(boxes.score[row]),
        }
        for row in range(len(boxes))
        if of.known[boxes.frame[row]]
    ]
