"""The reference on trial: how well it repeats itself on a stream bounds what can be promised of anybody else.

A model that finds a thing in one picture and not in the next, or not in the same picture mirrored, is unsure of it.
What it says of such things is chance, and so is any agreement with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidpipe.accuracy.reference.model import folders
from vidpipe.accuracy.scores.matching import match
from vidpipe.accuracy.series import Series
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import Pipeline
from vidpipe.statistics.agreement import Matched, together
from vidpipe.statistics.agreement import match as match_detections
from vidpipe.tuning.floor.search import Stretch
from vidpipe.tuning.looks import Variant, pictures_of

_PICTURES = 24  # that are looked at twice more
_SHIFT = 0.02  # of width and height, that the shifted crop leaves out
_NEAR = 0.05  # of a score to its threshold
_GHOSTS = 0.05  # share of boxes that come and go, which a threshold may leave in
_THRESHOLDS = np.arange(0.05, 0.95, 0.05)


@dataclass(frozen=True, slots=True)
class Trial:
    """How well a reference repeats itself.

    Attributes:
        next_frame, mirrored, shifted: F1 of what it says against what it says of the next frame, of the same picture
            mirrored, and of a crop of it; None where there was nothing.
        near: share of its boxes that score within .05 of their threshold.
        ghosts: share of its boxes that are neither in the frame before nor in the next.
        clean_threshold: the least threshold at which no more than a twentieth of the boxes are such; None: none is.
    """

    next_frame: float | None
    mirrored: float | None
    shifted: float | None
    near: float
    ghosts: float
    clean_threshold: float | None

    @property
    def repeats(self) -> float | None:
        """The best of them: a floor above it asks for more than the reference gives."""
        known = [each for each in (self.next_frame, self.mirrored, self.shifted) if each is not None]
        return max(known, default=None)


def try_reference(pipeline: Pipeline, stream: str, stretches: list[Stretch], big: Variant) -> Trial:
    """Put the last stage's model on trial on the footage; it looks at some pictures twice more."""
    predictions = [stretch.looks[big].predictions for stretch in stretches]
    sure = [each.sure() for each in predictions]
    mirrored, shifted = _again(pipeline, stream, stretches[0], big)
    scores = np.concatenate([series.boxes.score for series in sure])
    least = min(predictions[0].thresholds.values())
    return Trial(
        next_frame=_f1([_next_frame(series) for series in sure]),
        mirrored=_f1(mirrored),
        shifted=_f1(shifted),
        near=float((scores < least + _NEAR).mean()) if len(scores) else 0.0,
        ghosts=_ghosts(sure),
        clean_threshold=_clean_threshold([each.series for each in predictions], least),
    )


def _again(pipeline: Pipeline, stream: str, stretch: Stretch, big: Variant) -> tuple[list[Matched], list[Matched]]:
    """What it says of some pictures, against the same mirrored and cropped."""
    detector = load_detector(big.spec(pipeline), pipeline.classes, search_paths=folders(pipeline))
    mirrored, shifted = [], []
    every = max(1, stretch.truth.frames // _PICTURES)
    for picture in pictures_of(stream, stretch.spec, every):
        plain, *_ = detector.detect([picture])
        height, width = picture.shape[:2]
        (flipped,) = detector.detect([np.ascontiguousarray(picture[:, ::-1])])
        flipped.xyxy[:, [0, 2]] = width - flipped.xyxy[:, [2, 0]]
        mirrored.append(match_detections(plain, flipped))
        x, y = round(_SHIFT * width), round(_SHIFT * height)
        (moved,) = detector.detect([np.ascontiguousarray(picture[y:, x:])])
        moved.xyxy += np.array([x, y, x, y], np.float32)
        shifted.append(match_detections(plain, moved))
    return mirrored, shifted


def _f1(matched: list[Matched]) -> float | None:
    return together(matched).f1


def _next_frame(series: Series) -> Matched:
    """Each frame's boxes against those of the one before."""
    before = series.held(np.maximum(np.arange(series.frames) - 1, 0)).boxes
    later = series.boxes.frame > 0
    own, other = series.boxes[later], before[before.frame > 0]
    return Matched(len(match(other, own).truth), len(own) + len(other))


def _ghosts(series: list[Series]) -> float:
    """Share of boxes that are neither in the frame before nor in the next."""
    ghosts = boxes = 0
    for each in series:
        alone = np.ones(len(each.boxes), bool)
        frames = np.arange(each.frames)
        for neighbour in (np.maximum(frames - 1, 0), np.minimum(frames + 1, each.frames - 1)):
            alone[match(each.held(neighbour).boxes, each.boxes).truth] = False
        inner = (each.boxes.frame > 0) & (each.boxes.frame < each.frames - 1)
        ghosts += int((alone & inner).sum())
        boxes += int(inner.sum())
    return ghosts / boxes if boxes else 0.0


def _clean_threshold(series: list[Series], least: float) -> float | None:
    for threshold in _THRESHOLDS[least - 1e-9 <= _THRESHOLDS]:
        sure = [each.where(each.boxes.score >= threshold) for each in series]
        if not any(len(each.boxes) for each in sure):
            return None
        if _ghosts(sure) <= _GHOSTS:
            return float(round(threshold, 2))
    return None
