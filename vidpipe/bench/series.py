"""What was said of every frame of a stream, as arrays: by a pipeline, by the reference, or by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of all frames in one table, ordered by frame; a column each.

    Attributes:
        frame: int64 [n], index into the frames of the series.
        xyxy: float32 [n, 4] in pixels of the source frame.
        score: float32 [n] in 0..1; 1 for what people drew.
        label: int64 [n], index into the series' classes.
        track: int64 [n], -1 where the box has no identity.
        ignored: bool [n]: neither to be found nor wrong to find (people's "do not count this one").
        crowd: bool [n], of the ignored ones: a region that stands for many objects (COCO's `iscrowd`).
    """

    frame: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int64]
    track: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    crowd: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        frame: Sequence[int] | NDArray[np.int64],
        xyxy: Sequence[Sequence[float]] | NDArray[np.floating],
        *,
        score: Sequence[float] | NDArray[np.floating] | None = None,
        label: Sequence[int] | NDArray[np.int64] | None = None,
        track: Sequence[int] | NDArray[np.int64] | None = None,
        ignored: Sequence[bool] | NDArray[np.bool_] | None = None,
        crowd: Sequence[bool] | NDArray[np.bool_] | None = None,
    ) -> Boxes:
        """Boxes in any order, columns that are not given at their defaults: score 1, class 0, no identity."""
        frames = np.asarray(frame, np.int64)
        count = len(frames)
        boxes = cls(
            frames,
            np.asarray(xyxy, np.float32).reshape(count, 4),
            np.ones(count, np.float32) if score is None else np.asarray(score, np.float32),
            np.zeros(count, np.int64) if label is None else np.asarray(label, np.int64),
            np.full(count, -1, np.int64) if track is None else np.asarray(track, np.int64),
            np.zeros(count, bool) if ignored is None else np.asarray(ignored, bool),
            np.zeros(count, bool) if crowd is None else np.asarray(crowd, bool),
        )
        return boxes[np.argsort(frames, kind="stable")]

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Boxes:
        """Some of the rows; they must stay ordered by frame."""
        return Boxes(
            self.frame[rows],
            self.xyxy[rows],
            self.score[rows],
            self.label[rows],
            self.track[rows],
            self.ignored[rows],
            self.crowd[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Boxes for each frame of a stretch of one stream.

    Attributes:
        classes: names of the pipeline's classes; labels index them.
        width, height: of the source frames in pixels.
        pts: float64 [frames], media seconds.
        known: bool [frames]: whether anybody looked at the frame. What is not known is left out of every score.
        boxes: of all frames.
    """

    classes: tuple[str, ...]
    width: int
    height: int
    pts: NDArray[np.float64]
    known: NDArray[np.bool_]
    boxes: Boxes

    @property
    def frames(self) -> int:
        return len(self.pts)

    @property
    def video_s(self) -> float:
        """Media time covered, the last frame's own duration taken as the mean of the others."""
        return float(self.pts[-1] - self.pts[0]) * self.frames / (self.frames - 1) if self.frames > 1 else 0.0

    def part(self, start: int, stop: int) -> Series:
        """Frames start to stop - 1, which become 0 and following; `pts` stay as they are."""
        low, high = np.searchsorted(self.boxes.frame, [start, stop])
        boxes = self.boxes[low:high]
        return replace(
            self,
            pts=self.pts[start:stop],
            known=self.known[start:stop],
            boxes=replace(boxes, frame=boxes.frame - start),
        )

    def at_least(self, thresholds: Mapping[str, float]) -> Series:
        """Without the boxes that score less than the threshold of their class; a class not named keeps all."""
        least = np.array([thresholds.get(name, 0.0) for name in self.classes], np.float32)
        return self.where(self.boxes.score >= least[self.boxes.label] if len(self.boxes) else np.zeros(0, bool))

    def where(self, rows: NDArray[np.bool_]) -> Series:
        """With only these of its boxes."""
        return replace(self, boxes=self.boxes[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a pipeline published: the boxes, and where each frame's answer came from.

    Attributes:
        series: the boxes; every frame is known, for every frame has an answer.
        how, by, reason: str [frames], as results have them.
        as_of: int64 [frames], the frame that the boxes were measured on; -1: none yet.
        captured_at, published_at: float64 [frames], UTC seconds; NaN where not known.
    """

    series: Series
    how: NDArray[np.str_]
    by: NDArray[np.str_]
    reason: NDArray[np.str_]
    as_of: NDArray[np.int64]
    captured_at: NDArray[np.float64]
    published_at: NDArray[np.float64]
