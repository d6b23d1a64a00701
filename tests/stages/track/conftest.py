"""A textured ground on which textured things move by whole pixels, and the frames and boxes of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from tests.stages.conftest import frame
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.stages.track.seen import Seen

WIDTH, HEIGHT, FPS = 320, 240, 10
NAMES = np.array(["person", "vehicle"])


def texture(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """Blotches of a few pixels, which have corners to follow."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (5, 5), 1.5), None, 0, 255, cv2.NORM_MINMAX), np.uint8)


GROUND = (texture(0, WIDTH, HEIGHT) // 4 + 90).astype(np.uint8)


def scene(*boxes: Sequence[int], ground: NDArray[np.uint8] = GROUND, seeds: Sequence[int] = ()) -> NDArray[np.uint8]:
    """The luma [h, w] of things at these xyxy places (also partly outside), each with its own texture."""
    luma = ground.copy()
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        thing = texture(seeds[number] if seeds else number + 1, x1 - x0, y1 - y0)
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, luma.shape[1]), min(y1, luma.shape[0])
        if left < right and top < bottom:
            luma[top:bottom, left:right] = thing[top - y0 : bottom - y0, left - x0 : right - x0]
    return luma


def at(seq: int, *boxes: Sequence[int], **options: object) -> Frame:
    """Frame `seq` with things at these places."""
    return frame(scene(*boxes, **options), seq, pts=seq / FPS)  # type: ignore[arg-type]


def seen(seq: int, *boxes: Sequence[int]) -> Seen:
    return Seen.of(at(seq, *boxes))


def found(
    *boxes: Sequence[float], labels: Sequence[int] | None = None, scores: Sequence[float] | None = None
) -> sv.Detections:
    """What a detector says."""
    count = len(boxes)
    classes = np.zeros(count, int) if labels is None else np.array(labels, int)
    return sv.Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        confidence=np.full(count, 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        class_id=classes,
        data={"class_name": NAMES[classes]},
    )


def measured(seq: int, detections: sv.Detections) -> Answer:
    return Answer(detections, How.MEASURED, "big", seq)


def shifted(box: Sequence[int], dx: int, dy: int = 0) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy
