"""What was said of every frame of a stream, as arrays: by a pipeline, by the reference, or by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
        frame: ArrayLike,
        xyxy: ArrayLike,
        *,
        score: ArrayLike = 1,
        label: ArrayLike = 0,
        track: ArrayLike = -1,
        ignored: ArrayLike = False,
        crowd: ArrayLike = False,
    ) -> Boxes:
        """Boxes in any order; a column is one value for each of them, or one for all."""
        frames = np.asarray(frame, np.int64)

        def column(values: ArrayLike, kind: type) -> NDArray[Any]:
            return np.broadcast_to(np.asarray(values, kind), frames.shape)

        boxes = cls(
            frames,
            np.asarray(xyxy, np.float32).reshape(-1, 4),
            column(score, np.float32),
            column(label, np.int64),
            column(track, np.int64),
            column(ignored, np.bool_),
            column(crowd, np.bool_),
        )
        return boxes[np.argsort(frames, kind="stable")]

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Boxes:
        """Some of the rows; they must stay ordered by frame."""
        return Boxes(*(getattr(self, column.name)[rows] for column in fields(self)))


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

    @property
    def fps(self) -> float:
        """Frames a second of media time, by the median step: one gap must not count for many frames."""
        return 1.0 / float(np.median(np.diff(self.pts))) if self.frames > 1 else 1.0

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
        return self.where(self.boxes.score >= least[self.boxes.label])

    def held(self, source: NDArray[np.int64]) -> Series:
        """Each frame with the boxes of the frame `source` [frames] names for it; with none where that is -1."""
        first, behind = (np.searchsorted(self.boxes.frame, source, side) for side in ("left", "right"))
        counts = behind - first
        frame = np.repeat(np.arange(self.frames), counts)
        within = np.arange(len(frame)) - np.repeat(np.cumsum(counts) - counts, counts)
        boxes = self.boxes[np.repeat(first, counts) + within]
        return replace(self, boxes=replace(boxes, frame=frame))

    def where(self, rows: NDArray[np.bool_]) -> Series:
        """With only these of its boxes."""
        return replace(self, boxes=self.boxes[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a pipeline published, an answer for every frame.

    Attributes:
        series: the boxes.
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
