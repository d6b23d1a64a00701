"""What is learnt from: every frame of a clip as the filters see it, with what the big model says of it.

Of the pictures themselves nothing is kept but the residuals of their blocks, 400 bytes a frame, so that hours fit in
memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.reference.predictions import timed
from vidpipe.accuracy.series import Series
from vidpipe.core.frame import Image, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.blocks import Blocks, Grid
from vidpipe.stages.difference.camera_stability import movement
from vidpipe.stages.gate.examples import Collector
from vidpipe.stages.gate.split import visits
from vidpipe.statistics.agreement import compare

if TYPE_CHECKING:
    import supervision as sv

BLOCKS = 10
LAGS = (1, 2, 4, 8, 16)  # frames back at which two pictures are compared
MOST_PAIRS = 2000  # frames that are compared with earlier ones
SEEN_PICTURES = 3  # of a visit, different ones: from fewer nobody can tell how faint it was
NEAR_S = 1.0  # around a visit things are half in the picture, and the big model may see them or not
_COPY = 0.05  # grey levels by which a picture differs on average from its copy at most
_SECONDS = 300  # pictures a second apart from which movement of the camera is measured
_REFRESH = 0.15


class Pairs(NamedTuple):
    """Pictures of things and what they are compared with some frames back.

    Attributes:
        frame, lag: int64 [n].
        residuals: float32 [n, rows, columns] of blocks.
        same: bool [n], whether the big model's answer to the earlier one still held.
    """

    frame: NDArray[np.int64]
    lag: NDArray[np.int64]
    residuals: NDArray[np.float32]
    same: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A clip, walked through once.

    Attributes:
        truth: the big model's boxes.
        size: (width, height) in pixels.
        present: bool [frames], whether the model found anything.
        visit: int64 [frames], number of the visit that a frame with things in it belongs to; -1: none.
        known: bool [frames], that could be decoded and came after the first empty one.
        fresh: bool [frames], whose picture is not the one before once more (a camera that froze, a recording with more
            pictures a second than its camera took): a copy is no further evidence.
        residuals: float32 [frames, rows, columns], against the empty scene as it was last found.
        image: float32 preview of the empty scene as it looked in the end.
        pairs: as above.
        moved: of the camera from one second to the next, as a share of the picture's width.
        decode_ms, filter_ms: CPU a frame of decoding; of preview and residuals.
    """

    truth: Series
    size: tuple[int, int]
    present: NDArray[np.bool_]
    visit: NDArray[np.int64]
    known: NDArray[np.bool_]
    fresh: NDArray[np.bool_]
    residuals: NDArray[np.float32]
    image: NDArray[np.float32]
    pairs: Pairs
    moved: float
    decode_ms: float
    filter_ms: float

    @property
    def pts(self) -> NDArray[np.float64]:
        return self.truth.pts

    @property
    def frames(self) -> int:
        return self.truth.frames

    @property
    def fps(self) -> float:
        return 1.0 / float(np.median(np.diff(self.pts))) if self.frames > 1 else 1.0

    @property
    def visits(self) -> int:
        """How many there are."""
        return int(self.visit.max(initial=-1)) + 1

    @property
    def seen_visits(self) -> int:
        """How many of them were seen well enough to tell what a thing looks like: in `SEEN_PICTURES`."""
        rows = self.present & self.known & self.fresh
        return int((np.bincount(self.visit[rows], minlength=1) >= SEEN_PICTURES).sum())


def walk(
    stream: StreamSpec, name: str, truth: Series, refresh: int, examples: Collector, progress: Callable[[int], None]
) -> Footage:
    """Decode a recording once more and see it as the difference detector will.

    Args:
        truth: what the big model says of each of its frames.
        refresh: every how many frames a run would look at the empty scene: audits and forced looks.
        examples: gets every frame.
        progress: is told how many frames more are done.

    Raises:
        ConfigError: the clip cannot be opened.
    """
    walker = Walker(truth, refresh)
    source = open_source(name, stream.recording, knobs=Knobs())
    with closing(source):
        for index, (picture, decode_ns) in enumerate(timed(source)):
            if index >= truth.frames:
                break
            if isinstance(picture, Missing):
                walker.see(None, None, decode_ns, 0)
            else:
                before = time.thread_time_ns()
                preview = picture.preview()
                walker.see(preview, picture.hidden, decode_ns, time.thread_time_ns() - before)
                if walker.fresh:
                    examples.add(picture, boxes_at(truth, index))
            progress(1)
    return walker.footage((source.info.width, source.info.height))


def boxes_at(series: Series, index: int) -> sv.Detections:
    """The boxes of one frame."""
    import supervision as sv

    low, high = np.searchsorted(series.boxes.frame, [index, index + 1])
    boxes = series.boxes[slice(low, high)]
    return sv.Detections(xyxy=boxes.xyxy, confidence=boxes.score, class_id=boxes.label)


def away(pts: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Seconds from each frame to the nearest one with something in it; infinite where there is none."""
    seen = pts[present]
    if not len(seen):
        return np.full(len(pts), np.inf)
    after = np.searchsorted(seen, pts)
    next_s, last_s = seen[np.minimum(after, len(seen) - 1)], seen[np.maximum(after - 1, 0)]
    return np.asarray(np.minimum(np.abs(pts - next_s), np.abs(pts - last_s)), np.float64)


class Walker:
    """Makes `Footage` of frames that it is shown one by one; arguments as of `walk`.

    Attributes:
        fresh: whether the last one was no copy of the one before.
    """

    def __init__(self, truth: Series, refresh: int) -> None:
        self._present = np.isin(np.arange(truth.frames), truth.boxes.frame)
        self._clear = away(truth.pts, self._present) > NEAR_S
        self._truth = truth
        self._refresh = refresh
        self._blocks: Blocks | None = None
        self._image: NDArray[np.float32] | None = None
        self._level = 0.0
        self._shown_at = -refresh
        self.fresh = False
        self._freshly: list[bool] = []
        self._last: Image | None = None
        self._residuals: list[Grid | None] = []
        self._recent: deque[Image | None] = deque(maxlen=max(LAGS))
        self._pairs: list[tuple[int, int, Grid, bool]] = []
        self._every = max(1, round(self._present.sum() / MOST_PAIRS))
        self._seconds: list[Image] = []
        self._second_s = -np.inf
        self._decode_ns = 0
        self._filter_ns = 0

    def see(self, preview: Image | None, hidden: NDArray[np.bool_] | None, decode_ns: int, preview_ns: int) -> None:
        """The next frame; None where it could not be decoded. The times are CPU."""
        index = len(self._residuals)
        self._decode_ns += decode_ns
        self._filter_ns += preview_ns
        self.fresh = preview is not None and not _is_copy(preview, self._last)
        self._freshly.append(self.fresh)
        self._last = preview if self.fresh else self._last
        if preview is None:
            self._residuals.append(None)
            self._recent.append(None)
            return
        before = time.thread_time_ns()
        if self._blocks is None:
            self._blocks = Blocks(preview.shape, BLOCKS, hidden)
        residuals = None
        if self._image is not None and preview.shape == self._image.shape:
            residuals = self._blocks.residuals(preview, self._image, self._level)
        self._filter_ns += time.thread_time_ns() - before
        self._residuals.append(residuals)
        self._compare(index, preview)
        self._recent.append(preview)
        if self._clear[index] and index - self._shown_at >= self._refresh:
            self._show(preview)
            self._shown_at = index
        if self._truth.pts[index] - self._second_s >= 1 and len(self._seconds) < _SECONDS:
            self._seconds.append(preview)
            self._second_s = float(self._truth.pts[index])

    def footage(self, size: tuple[int, int]) -> Footage:
        frames = len(self._residuals)
        grid = self._blocks.grid if self._blocks else (BLOCKS, BLOCKS)
        missing = np.zeros(grid, np.float32)
        known = np.array([grid is not None for grid in self._residuals])
        truth = self._truth.part(0, frames)
        present = self._present[:frames]
        none = np.zeros((0, *grid), np.float32)
        return Footage(
            truth=truth,
            size=size,
            present=present,
            visit=visits(truth.pts, present),
            known=known,
            fresh=np.array(self._freshly, bool),
            residuals=np.array([missing if one is None else one for one in self._residuals], np.float32),
            image=np.zeros((0, 0), np.float32) if self._image is None else self._image,
            pairs=Pairs(
                np.array([pair[0] for pair in self._pairs], np.int64),
                np.array([pair[1] for pair in self._pairs], np.int64),
                np.concatenate([none, *(pair[2][None] for pair in self._pairs)]),
                np.array([pair[3] for pair in self._pairs], bool),
            ),
            moved=movement(self._seconds),
            decode_ms=self._decode_ns / max(1, frames) / 1e6,
            filter_ms=self._filter_ns / max(1, frames) / 1e6,
        )

    def _show(self, preview: Image) -> None:
        if self._image is None or self._image.shape != preview.shape:
            self._image = preview.astype(np.float32)
        else:
            self._image = self._image + np.float32(_REFRESH) * (preview - self._image)
        self._level = float(self._image.mean())

    def _compare(self, index: int, preview: Image) -> None:
        """With pictures some frames back, where there is something, or was in the one before."""
        present = self._present
        if not (present[index] or (index and present[index - 1])) or index % self._every:
            return
        assert self._blocks is not None
        now = boxes_at(self._truth, index)
        for lag in LAGS:
            other = self._recent[-lag] if lag <= len(self._recent) else None
            if other is None or other.shape != preview.shape:
                continue
            reference = other.astype(np.float32)
            residuals = self._blocks.residuals(preview, reference, float(reference.mean()))
            same = compare(boxes_at(self._truth, index - lag), now).agrees
            self._pairs.append((index, lag, residuals, same))


def _is_copy(preview: Image, last: Image | None) -> bool:
    """Whether a picture is the last one again, but for what an encoder makes of a copy: noise changes more."""
    import cv2

    if last is None or last.shape != preview.shape:
        return False
    return float(cv2.norm(preview, last, cv2.NORM_L1)) <= _COPY * preview.size
