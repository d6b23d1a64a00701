"""Boxes between two looks, from both: each is followed onwards from the earlier look and back from the later one.

Who was found by both looks goes from the one box to the other; on the way it is where both ways have it, each corrected
by what it missed at its end, and believed the more the nearer its look is (Boggart, NSDI 2023, carries boxes both ways
along its tracks). Who was found by one look alone is shown half of the way to the other, or until it has left the
picture, where it does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import nothing
from vidpipe.models.boxes import iou, one_to_one
from vidpipe.stages.track.seen import Means, Seen
from vidpipe.stages.track.tracks import Tracks, ids_of
from vidpipe.statistics.agreement import IOU

if TYPE_CHECKING:
    import supervision as sv

_EDGE = 0.02  # of the picture's size, within which a box that is lost has left it


class Way(NamedTuple):
    """Where the boxes of one look are at each step.

    Attributes:
        measured: what the look found, with identities.
        boxes: float64 [steps, n, 4], xyxy in pixels of the source, in order of time; NaN where one has ended.
        belief: float64 [steps, n].
        left: bool [n]: it has left the picture, and is not merely lost.
        tracks: what is left of them at the last step that they were followed to.
        begin: `seq` of the look's frame.
    """

    measured: sv.Detections
    boxes: NDArray[np.float64]
    belief: NDArray[np.float64]
    left: NDArray[np.bool_]
    tracks: Tracks
    begin: int

    @property
    def last(self) -> NDArray[np.float64]:
        """The boxes at the last step, [n, 4]."""
        return cast("NDArray[np.float64]", self.boxes[-1])

    @property
    def first(self) -> NDArray[np.float64]:
        """The boxes at the first step, [n, 4]."""
        return cast("NDArray[np.float64]", self.boxes[0])

    def some(
        self, rows: NDArray[np.bool_], boxes: NDArray[np.float64], belief: NDArray[np.float64], size: tuple[int, int]
    ) -> sv.Detections:
        """Some of what the look found, at other places [n, 4], within the picture, and believed less."""
        chosen: Any = copy.copy(self.measured) if rows.all() else self.measured[rows]
        chosen.xyxy = np.clip(boxes[rows].astype(np.float32), 0, np.array([*size, *size], np.float32))
        if chosen.confidence is not None:
            chosen.confidence = chosen.confidence * belief[rows].astype(np.float32)
        return cast("sv.Detections", chosen)


def follow(tracks: Tracks, steps: Sequence[Seen], by: Means) -> Way:
    """Follow the boxes of a look onwards.

    Args:
        tracks: as they were at the first step, the look's own.
        by: what moves them; held: they stay.
    """
    count, measured, own = len(tracks), tracks.measured, tracks.ids
    boxes, belief = np.full((len(steps), count, 4), np.nan), np.zeros((len(steps), count))
    boxes[0], belief[0] = tracks.boxes, 1.0
    rows, left = np.arange(count), np.zeros(count, bool)
    size = np.array(steps[0].size, np.float32)
    for place in range(1, len(steps)):
        before = tracks
        tracks = tracks if by == "held" else tracks.step(steps[place - 1], steps[place], by)
        if len(tracks) < len(before):
            stays = np.isin(own[rows], tracks.ids)
            low, high = before.boxes[:, :2] <= _EDGE * size, before.boxes[:, 2:] >= (1 - _EDGE) * size
            left[rows[~stays]] = np.any(low | high, axis=1)[~stays]
            rows = rows[stays]
        boxes[place, rows], belief[place, rows] = tracks.boxes, tracks.belief
    return Way(measured, boxes, belief, left, tracks, steps[0].seq)


def follow_back(tracks: Tracks, steps: Sequence[Seen], by: Means) -> Way:
    """Follow the boxes of a look at the last of these steps back to the first: the same, with time turned around."""
    turned = [step._replace(pts=-step.pts, motion=None) for step in reversed(steps)]
    way = follow(tracks.going(-tracks.velocity), turned, by)
    return way._replace(boxes=way.boxes[::-1], belief=way.belief[::-1])


class Between:
    """All frames between two looks.

    Args:
        onwards, back: ways of the earlier look and of the later one; who has the same identity in both is the same.
        times: media seconds of the steps, of which the first and the last are those of the looks.
        size: (width, height) of the source in pixels.
    """

    def __init__(self, onwards: Way, back: Way, times: Sequence[float], size: tuple[int, int]) -> None:
        self._ways = onwards, back
        self._times = np.asarray(times, np.float64)
        self._size = size
        one, other = self._rows = (ids_of(onwards.measured)[:, None] == ids_of(back.measured)).nonzero()
        # What each way has missed where the other look saw the same thing; nothing where it has not come so far.
        missed = back.last[other] - onwards.last[one], onwards.first[one] - back.first[other]
        self._missed = [np.nan_to_num(each) for each in missed]

    def at(self, pts: float) -> tuple[sv.Detections, bool]:
        """The boxes at a time between both looks, and whether the later look is the nearer one."""
        begin, end = self._times[0], self._times[-1]
        share = (pts - begin) / (end - begin)
        place = int(np.clip(np.searchsorted(self._times, pts, side="right") - 1, 0, len(self._times) - 2))
        within = float((pts - self._times[place]) / (self._times[place + 1] - self._times[place]))
        boxes = [_at(way.boxes, place, within) for way in self._ways]
        belief = [_at(way.belief[..., None], place, within)[:, 0] for way in self._ways]
        paired = [
            boxes[side][rows] + self._missed[side] * far
            for side, rows, far in zip((0, 1), self._rows, (share, 1 - share), strict=True)
        ]
        straight = self._ways[0].first[self._rows[0]] * (1 - share) + self._ways[1].last[self._rows[1]] * share
        nearer = int(share > 0.5)
        boxes[nearer][self._rows[nearer]] = _mean(paired[0], paired[1], share, straight)
        belief[nearer][self._rows[nearer]] = 1.0
        shown = [self._alone(0, boxes[0], share), self._alone(1, boxes[1], 1 - share)]
        shown[nearer][self._rows[nearer]] = True
        return self._all(shown, boxes, belief), bool(nearer)

    def _alone(self, side: int, boxes: NDArray[np.float64], far: float) -> NDArray[np.bool_]:
        """Which boxes of one look are shown so far from it, of those that the other has not."""
        shown = ~np.isnan(boxes[:, 0]) & (self._ways[side].left | (far <= 0.5))
        shown[self._rows[side]] = False
        return shown

    def _all(
        self, shown: Sequence[NDArray[np.bool_]], boxes: Sequence[NDArray[np.float64]], belief: Sequence[Any]
    ) -> sv.Detections:
        return _joined([self._ways[side].some(shown[side], boxes[side], belief[side], self._size) for side in (0, 1)])


def without_look(onwards: Way, back: Way, share: float, size: tuple[int, int]) -> sv.Detections:
    """What would be said of a look's frame by the looks around it, if it had not been looked at.

    Args:
        onwards: from the look before, which ends at this frame; `back`: from the one behind it.
        share: of the way from the former to the latter at which it lies.
    """
    boxes = [onwards.last.copy(), back.first.copy()]
    # By overlap: identities of the later look have come through the one that is held out.
    rows = _found(onwards, boxes[0], back, boxes[1])
    nearer = int(share > 0.5)
    mean = _mean(boxes[0][rows[0]], boxes[1][rows[1]], share, np.nan)
    boxes[nearer][rows[nearer]] = mean
    shown = [~np.isnan(each[:, 0]) for each in boxes]
    shown[1 - nearer][:] = False
    ways = onwards, back
    return _joined([ways[side].some(shown[side], boxes[side], np.ones(len(boxes[side])), size) for side in (0, 1)])


def behind(way: Way, times: Sequence[float], pts: float, size: tuple[int, int]) -> sv.Detections:
    """The boxes of a look at a time behind it, where nothing is known of what comes."""
    place = max(0, int(np.searchsorted(times, pts, side="right")) - 1)
    boxes = way.boxes[place]
    return _joined([way.some(~np.isnan(boxes[:, 0]), boxes, way.belief[place], size)])


def _found(
    way: Way, at: NDArray[np.float64], other: Way, boxes: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Boxes of a way, at places [n, 4], where the other look has found one of their class [m, 4]; and which that is."""
    same = (iou(np.nan_to_num(at, nan=-1e6)[:, None], boxes) >= IOU) & (_labels(way)[:, None] == _labels(other))
    nobody = np.zeros(0, np.intp)
    return one_to_one(same, 1) if same.any() else (nobody, nobody)


def _labels(way: Way) -> NDArray[np.int64]:
    labels = way.measured.class_id
    return np.zeros(len(way.measured), np.int64) if labels is None else np.asarray(labels, np.int64)


def _mean(
    one: NDArray[np.float64], other: NDArray[np.float64], share: float, else_: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Of boxes [n, 4] that are known on both ways, or on one of them; of neither, something else."""
    weights = [np.where(np.isnan(one[:, :1]), 0.0, 1 - share), np.where(np.isnan(other[:, :1]), 0.0, share)]
    total = weights[0] + weights[1]
    sums = weights[0] * np.nan_to_num(one) + weights[1] * np.nan_to_num(other)
    return np.where(total > 0, sums / np.maximum(total, 1e-9), else_)


def _at(values: NDArray[np.float64], place: int, within: float) -> NDArray[np.float64]:
    """Between two steps; where one of them has none, as at the other."""
    one, other = values[place], values[place + 1]
    if within <= 0:
        return cast("NDArray[np.float64]", one.copy())
    between = one + within * (other - one)
    known: NDArray[np.float64] = np.where(np.isnan(between), np.where(np.isnan(one), other, one), between)
    return known


def _joined(parts: Sequence[sv.Detections]) -> sv.Detections:
    some: list[Any] = [part for part in parts if len(part)]
    if not some:
        return nothing()
    return cast("sv.Detections", some[0] if len(some) == 1 else type(some[0]).merge(some))
