"""Looks only at what the stage above was unsure of: those parts of the picture, packed together on a small canvas.

A network of fixed size takes as long for a corner of a picture as for all of it, so what saves is a network for a
smaller input: on a canvas of half the sides, objects are as large as on the whole picture, at a quarter of the cost.
What it finds inside the parts stands there in place of the little model's boxes; elsewhere those stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.cascade.stage import Context, DetectorName, Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import StageConfig
from vidpipe.models.boxes import apart, iou, over_smaller
from vidpipe.stages.detect.low_confidence import LowConfidenceBoxes, nearest
from vidpipe.stages.detect.packing import Spot, pack

if TYPE_CHECKING:
    import supervision as sv

CONTEXT = 0.5  # of a box's sides that is shown around it on each side, and at least:
LEAST_CONTEXT = 16
_GREY = 114  # with which YOLO networks were trained
_GAP = 8
_EDGE = 2  # pixels within which a box touches the edge of its part
_SAME_IOU = 0.5
_SAME_PART = 0.7
_MOST = 0.5  # of the whole picture's cost that a frame's canvases may have


class RegionsConfig(StageConfig):
    model: DetectorName
    canvas: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="sides of a canvas in parts of the picture's; the model's `size` should be as much smaller",
    )
    share: bool = Field(
        default=False,
        description="frames that wait together share canvases: cheaper, but answers then vary with who waits",
    )


class Cut(NamedTuple):
    """A frame and the parts of it to look at: windows int [k, 4] xyxy in pixels of its view."""

    frame: Frame
    low_confidence: LowConfidenceBoxes
    windows: NDArray[np.int64]


class Regions(Stage[RegionsConfig]):
    """Answers `measured` where a stage above left boxes in doubt that take up a small part of the picture.

    Passes on what has no doubts (frames that are checked, or asked to be looked at as a whole), and what would take
    more than half of the cost of the whole picture.
    """

    shared = True
    can_be_last = False
    Config = RegionsConfig

    def open(self, context: Context) -> None:
        self._detector = context.models.detector(self.config.model)

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        cuts = [self._cut(frame) for frame in frames]
        answers: dict[int, Answer] = {}
        for group in self._groups(cuts):
            for cut, found in zip(group, self._look(group), strict=True):
                answers[id(cut)] = self._answer(cut, found)
        return [answers.get(id(cut)) for cut in cuts]

    @classmethod
    def parts(cls, config: RegionsConfig, frame: Frame, size: tuple[int, int]) -> NDArray[np.int64] | None:
        low_confidence = nearest(frame)
        if low_confidence is None or not len(low_confidence.boxes):
            return None
        scale = np.array([size[0] / frame.width, size[1] / frame.height] * 2)
        looked_at = windows(low_confidence.boxes * scale, *size)
        spots = pack(sizes(looked_at), _canvas(config, size), _GAP)
        most = max(1, int(_MOST / config.canvas**2))
        return looked_at if spots is not None and 1 + max(spot.canvas for spot in spots) <= most else None

    def _cut(self, frame: Frame) -> Cut | None:
        low_confidence, looked_at = nearest(frame), self.parts(self.config, frame, _size(frame))
        return Cut(frame, low_confidence, looked_at) if low_confidence and looked_at is not None else None

    def _groups(self, cuts: Sequence[Cut | None]) -> Iterable[Sequence[Cut]]:
        """Frames that go on canvases together: each by itself, or all whose pictures have one size."""
        groups: dict[object, list[Cut]] = {}
        for cut in cuts:
            if cut is not None:
                groups.setdefault(_size(cut.frame) if self.config.share else id(cut), []).append(cut)
        return groups.values()

    def _look(self, group: Sequence[Cut]) -> list[list[sv.Detections]]:
        """What the model finds in each window of each frame, in pixels of the frame's view."""
        canvas = _canvas(self.config, _size(group[0].frame))
        spots = pack([size for cut in group for size in sizes(cut.windows)], canvas, _GAP)
        assert spots is not None  # each frame's windows fit by themselves
        places = [(cut, window) for cut in group for window in cut.windows]
        sheets = np.full((1 + max(spot.canvas for spot in spots), canvas[1], canvas[0], 3), _GREY, np.uint8)
        for (cut, window), spot in zip(places, spots, strict=True):
            _lay(cut.frame.bgr(), window, sheets[spot.canvas], spot)
        found = self._detector.detect(list(sheets))
        inside = iter(
            [_inside(found[spot.canvas], cut, window, spot) for (cut, window), spot in zip(places, spots, strict=True)]
        )
        return [[next(inside) for _ in cut.windows] for cut in group]

    def _answer(self, cut: Cut, found: Sequence[sv.Detections]) -> Answer:
        height, width = cut.frame.bgr().shape[:2]
        scale = (1 / cut.frame.bgr_scale).astype(np.float32)
        merged = merge(cut.low_confidence.answer.detections, cut.windows * scale, found, scale)
        part = np.prod(cut.windows[:, 2:] - cut.windows[:, :2], axis=1).sum() / (width * height)
        reason = f"looked at {part:.0%} of the picture, in {len(cut.windows)} parts"
        return Answer(merged, How.MEASURED, self.id, cut.frame.seq, reason, partial=True)


def _size(frame: Frame) -> tuple[int, int]:
    """(width, height) of its view."""
    height, width = frame.bgr().shape[:2]
    return width, height


def _canvas(config: RegionsConfig, size: tuple[int, int]) -> tuple[int, int]:
    return round(size[0] * config.canvas), round(size[1] * config.canvas)


def windows(boxes: NDArray[np.floating], width: int, height: int) -> NDArray[np.int64]:
    """Parts of a picture of that size that show these boxes with what is around them; no two of them overlap.

    Args:
        boxes: xyxy [n, 4] in pixels of the picture.

    Returns:
        xyxy [k, 4], whole pixels, inside the picture.
    """
    around = np.maximum(CONTEXT * (boxes[:, 2:] - boxes[:, :2]), LEAST_CONTEXT)
    grown = np.concatenate([np.floor(boxes[:, :2] - around), np.ceil(boxes[:, 2:] + around)], axis=1)
    grown = np.clip(grown, 0, [width, height, width, height]).astype(np.int64)
    return apart(grown[(grown[:, 2:] > grown[:, :2]).all(axis=1)])


def sizes(parts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(width, height) of each part."""
    return [(int(x1 - x0), int(y1 - y0)) for x0, y0, x1, y1 in parts]


def merge(
    little: sv.Detections, parts: NDArray[np.floating], found: Sequence[sv.Detections], scale: NDArray[np.float32]
) -> sv.Detections:
    """The little model's boxes outside the parts with what was found inside them, best first.

    A little box that reaches out of its part, or lies in none, stands; what was found and is the same object goes.

    Args:
        little: boxes in pixels of the source.
        parts: xyxy [k, 4] in pixels of the source.
        found: in each part; in pixels of the view.
        scale: from the view to the source, x, y, x, y.
    """
    import supervision as sv

    kept = [row for row in _rows(little) if not _within(row.box, parts)]
    for part in found:
        for row in _rows(part):
            own = row._replace(box=row.box * scale)
            if not any(own.label == other.label and _same(own.box, other.box) for other in kept):
                kept.append(own)
    kept.sort(key=lambda row: -row.score)
    return sv.Detections(
        xyxy=np.array([row.box for row in kept], np.float32).reshape(-1, 4),
        confidence=np.array([row.score for row in kept], np.float32),
        class_id=np.array([row.label for row in kept], int),
        data={"class_name": np.array([row.name for row in kept], str)},
    )


class _Row(NamedTuple):
    box: NDArray[np.floating]
    score: float
    label: int
    name: str


def _rows(boxes: sv.Detections) -> list[_Row]:
    if not len(boxes):
        return []
    columns = boxes.confidence, boxes.class_id, boxes.data["class_name"]
    rest = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    return [_Row(box, *others) for box, others in zip(np.asarray(boxes.xyxy, np.float32), rest, strict=True)]


def _lay(picture: Image, window: NDArray[np.int64], sheet: Image, spot: Spot) -> None:
    x0, y0, x1, y1 = window
    sheet[spot.y : spot.y + y1 - y0, spot.x : spot.x + x1 - x0] = picture[y0:y1, x0:x1]


def _inside(found: sv.Detections, cut: Cut, window: NDArray[np.int64], spot: Spot) -> sv.Detections:
    """What lies in one window, back in its place; without what its edges cut, where they are not the picture's own."""
    height, width = cut.frame.bgr().shape[:2]
    back = np.array([window[0] - spot.x, window[1] - spot.y] * 2, np.float32)
    boxes = np.asarray(found.xyxy, np.float32) + back
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    ours = ((centres >= window[:2]) & (centres < window[2:])).all(axis=1)
    # An edge of the picture cuts nothing that the whole picture would show.
    limits = np.where(window == [0, 0, width, height], [-np.inf, -np.inf, np.inf, np.inf], window.astype(float))
    whole = (boxes[:, :2] >= limits[:2] + _EDGE).all(axis=1) & (boxes[:, 2:] <= limits[2:] - _EDGE).all(axis=1)
    chosen = ours & whole
    clipped = np.clip(boxes[chosen], 0, [width, height, width, height]).astype(np.float32)
    return replace(cast("sv.Detections", found[np.asarray(chosen)]), xyxy=clipped)


def _same(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    first, second = one.astype(np.float32), other.astype(np.float32)
    return bool(iou(first, second) >= _SAME_IOU or over_smaller(first, second[None])[0] > _SAME_PART)


def _within(box: NDArray[np.floating], parts: NDArray[np.floating]) -> bool:
    return bool(((box[:2] >= parts[:, :2]) & (box[2:] <= parts[:, 2:])).all(axis=1).any())
