"""Boxes moved from picture to picture by optical flow (Glimpse, SenSys 2015, section 4.2).

Good features (Shi and Tomasi, 1994) inside each box are followed by pyramidal Lucas-Kanade flow, there and back: what
does not come back to where it started is not believed (Kalal, Mikolajczyk and Matas, "Forward-backward error", ICPR
2010). Of what is left the median moves the box and outliers go; how far the points are from their middle scales it.
All boxes are worked out at once, as arrays [boxes, points]: a loop over boxes would cost more than the flow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image
from vidpipe.models.boxes import shifted

POINTS = 6  # followed in each box: with ten boxes go no better, and sometimes with the background
_WINDOW = (9, 9)
_LEVELS = (
    2  # coarser pictures besides the whole one: a point may move by half the window times 2^2 beyond what is expected
)
_BACK_PX = 2.0  # farther from where it started a point that was followed back is not believed
_OUTLIER = (
    2.5  # times the median distance from the median shift, and a pixel: beyond that a point moves with another thing
)
_GOES_ON = 0.5  # what the last velocity weighs beside the points, in points
_SMOOTH = 0.5  # share of a new shift in the velocity
_LEAST_SCALED = 4  # points, fewer say nothing of the size
_SCALE_STEP = 0.02  # most that a box grows or shrinks in a step: beyond it is noise
_EDGE = np.array([-1, -1, 1, 1]) * (_WINDOW[0] / 2)  # around a nearer box: windows reach over its edge, and it moves on
_INNER = 0.8  # of width and height, in which points are sought: the rest is mostly background


class Grey(NamedTuple):
    """A picture to follow points in.

    Attributes:
        pixels: uint8 [h, w], smaller than the source where that is enough.
        scale: (x, y), pixels of it for a pixel of the source; `box_scale` twice, for xyxy.
    """

    pixels: Image
    scale: NDArray[np.float32]
    box_scale: NDArray[np.float32]

    @classmethod
    def of(cls, pixels: Image, width: int, height: int) -> Grey:
        """The picture of a source of that many pixels."""
        x, y = pixels.shape[1] / width, pixels.shape[0] / height
        return cls(pixels, np.array([x, y], np.float32), np.array([x, y, x, y], np.float32))


class Points(NamedTuple):
    """What is followed in each box, in pixels of the grey picture.

    Attributes:
        xy: float32 [n, POINTS, 2].
        alive: bool [n, POINTS]: those that are still believed.
        found: int64 [n], how many there were at first.
    """

    xy: NDArray[np.float32]
    alive: NDArray[np.bool_]
    found: NDArray[np.int64]

    def of(self, rows: NDArray[np.intp]) -> Points:
        """Those of some of the boxes."""
        return Points(self.xy[rows], self.alive[rows], self.found[rows])

    def only(self, boxes: NDArray[np.bool_]) -> Points:
        """The same, but followed in these boxes [n] alone."""
        return self._replace(alive=self.alive & boxes[:, None])


class Moved(NamedTuple):
    """Boxes after a step.

    Attributes:
        boxes: float32 [n, 4], xyxy in pixels of the source.
        velocity: float32 [n, 2], pixels of the source a step, smoothed.
        points: as they are now; outliers are no longer alive.
        trust: float32 [n], 0..1: the share of the points that were followed.
    """

    boxes: NDArray[np.float32]
    velocity: NDArray[np.float32]
    points: Points
    trust: NDArray[np.float32]

    def where(self, rows: NDArray[np.bool_], other: Moved) -> Moved:
        """These in some rows [n], another's in the rest; their own points."""
        boxes, velocity = (np.where(rows[:, None], *both) for both in zip(self[:2], other[:2], strict=True))
        return Moved(boxes, velocity, self.points, np.where(rows, self.trust, other.trust))


def no_points(boxes: int) -> Points:
    """Of so many boxes, none in any of them."""
    return Points(np.zeros((boxes, POINTS, 2), np.float32), np.zeros((boxes, POINTS), bool), np.zeros(boxes, np.int64))


def good_points(picture: Grey, boxes: NDArray[np.floating], wanted: NDArray[np.bool_] | None = None) -> Points:
    """The points to follow in each box [n, 4], best corners first; a box without texture has none.

    Args:
        wanted: [n], in which of them points are sought; None: in all.
    """
    import cv2

    points = no_points(len(boxes))
    height, width = picture.pixels.shape
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) * (_INNER / 2)
    corners = np.concatenate([middle - half, middle + half], axis=1) * picture.box_scale
    corners = np.clip(np.round(corners), 0, [width, height, width, height]).astype(int)
    for row, (x0, y0, x1, y1) in enumerate(corners.tolist()):
        if x1 - x0 < 4 or y1 - y0 < 4 or (wanted is not None and not wanted[row]):
            continue
        apart = max(1.5, 0.5 * ((x1 - x0) * (y1 - y0) / POINTS) ** 0.5)
        found = cv2.goodFeaturesToTrack(picture.pixels[y0:y1, x0:x1], POINTS, 0.02, apart, blockSize=3)
        if found is None:
            continue
        count = len(found)
        points.xy[row, :count] = found[:, 0] + (x0, y0)
        points.alive[row, :count] = True
        points.found[row] = count
    points.alive[:] &= ~hidden(points.xy, boxes * picture.box_scale + _EDGE)
    return points


def move(before: Grey, after: Grey, boxes: NDArray[np.float32], velocity: NDArray[np.float32], points: Points) -> Moved:
    """Boxes [n, 4] with their points, moved on from one picture to the next.

    A box goes where the median of its points goes; the fewer there are, the more it goes on as it did before.
    """
    start = velocity * after.scale
    xy, alive = _follow(before, after, points, start)
    shift = xy - points.xy
    apart = np.abs(shift - _middle(shift, alive)[:, None]).sum(axis=2)
    alive = alive & (apart <= 1 + _OUTLIER * median(apart, alive)[:, None])
    alive = alive & ~hidden(xy, shifted(boxes, velocity) * after.box_scale + _EDGE)
    count = alive.sum(axis=1)
    weight = (count / (count + _GOES_ON))[:, None]
    shift_px = (_middle(shift, alive) * weight + start * (1 - weight)) / after.scale
    scale = np.where(count >= _LEAST_SCALED, _scale(points.xy, xy, alive), 1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift_px
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale[:, None]
    trust = (count / np.maximum(points.found, 1)).astype(np.float32)
    return Moved(
        np.concatenate([centre - half, centre + half], axis=1).astype(np.float32),
        (velocity + _SMOOTH * (shift_px - velocity)).astype(np.float32),
        Points(xy, alive, points.found),
        trust,
    )


def _follow(
    before: Grey, after: Grey, points: Points, expected: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where the points are in the next picture, and which of them can be believed.

    Args:
        expected: [n, 2], how far each box is expected to go: where to begin to look.
    """
    import cv2

    xy, alive = points.xy + expected[:, None], points.alive.copy()
    start = points.xy[alive]
    if not len(start):
        return xy, alive
    options: dict[str, Any] = {"winSize": _WINDOW, "criteria": (3, 10, 0.03), "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before.pixels, after.pixels, start, xy[alive], maxLevel=_LEVELS, **options
    )
    # On the way back one coarser picture will do: where it should end is known, and farther off is not believed.
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        after.pixels, before.pixels, there, start.copy(), maxLevel=1, **options
    )
    believed = (found & returned).ravel().astype(bool) & (np.abs(back - start).max(axis=1) <= _BACK_PX)
    xy[alive] = there
    alive[alive] = believed
    return xy, alive


def hidden(xy: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points [n, points] lie in a box that stands before their own: it would take them along.

    Cameras look down on the ground, so what stands lower in the picture stands in front.

    Args:
        boxes: [n, 4], in the pixels of the points, as far as each reaches.
    """
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    x, y = xy[:, :, None, 0], xy[:, :, None, 1]
    inside = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    covered: NDArray[np.bool_] = np.any(inside & nearer[:, None, :], axis=2)
    return covered


def _middle(shift: NDArray[np.float32], alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Where most of the points [n, points, 2] go: [n, 2]."""
    return median(shift.transpose(2, 0, 1), alive).T


def median(values: NDArray[np.float32], alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median over the points that are alive [n, points]: of [..., n, points], [..., n]; 0 for a box without any."""
    ordered: NDArray[np.float32] = np.where(alive, values, np.float32(np.inf))
    ordered.sort(axis=-1)
    count = np.add.reduce(alive, axis=1, dtype=np.intp)
    rows = np.arange(len(alive))
    low = ordered[..., rows, np.maximum(count - 1, 0) // 2]
    high = ordered[..., rows, np.minimum(count // 2, alive.shape[1] - 1)]
    middle: NDArray[np.float32] = np.where(count > 0, (low + high) / 2, np.float32(0))
    return middle


def _scale(before: NDArray[np.float32], after: NDArray[np.float32], alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much farther the points are from their middle than they were, [n]; within `_SCALE_STEP` of 1."""
    count = np.maximum(alive.sum(axis=1), 1)[:, None]
    spread = []
    for xy in (before, after):
        middle = (xy * alive[..., None]).sum(axis=1) / count
        spread.append((np.abs(xy - middle[:, None]).sum(axis=2) * alive).sum(axis=1))
    ratio = np.divide(spread[1], spread[0], out=np.ones(len(before)), where=spread[0] > 0)
    scale: NDArray[np.float32] = np.clip(ratio, 1 - _SCALE_STEP, 1 + _SCALE_STEP).astype(np.float32)
    return scale
