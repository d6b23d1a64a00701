"""What has changed in a picture that no track explains: the trigger for things that nobody has seen yet.

Glimpse (SenSys 2015, section 4.1) sends a frame where enough pixels differ from the last one sent. Where known things
move, that is nearly every frame; so here what lies where a thing was or is does not count, and what is left must be in
one place, as a new thing is. Places that keep changing although looks find nothing (leaves, a clock) are believed less.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

_GREY = 18  # levels that a pixel must differ by: above noise and compression
_CELL = 8  # pixels of a preview, a side: the smallest thing that can trigger
_MARGIN = 0.15  # of a box's size, around it, in which a thing that moves uncovers and hides things
_CUT_LEVELS = 10.0  # mean difference, in grey levels, from which two pictures may be of different scenes
_CUT_LIKENESS = 0.4  # correlation, under which they are
_LEARN = 0.3  # share of a false trigger's change that a cell's noise takes over
_FORGET = 0.98  # of a cell's noise, at each look


class Change:
    """Finds unexplained change between a frame and the one last looked at, both as previews.

    Attributes:
        usual: share of each cell's pixels that changes and means nothing, float32 [rows, columns]; None: not known.
    """

    def __init__(self) -> None:
        self._looked_at: Image | None = None
        self._known: NDArray[np.float32] = np.empty((0, 4), np.float32)
        self.usual: NDArray[np.float32] | None = None

    def look(self, preview: Image, boxes: NDArray[np.float32]) -> None:
        """A look was had: boxes [n, 4] in pixels of the preview are all that is there."""
        self._looked_at, self._known = preview, boxes
        if self.usual is not None:
            self.usual *= _FORGET

    def unexplained(self, preview: Image, boxes: NDArray[np.float32]) -> float:
        """The largest share, 0..1, of a cell's pixels that changed, beyond what is usual there.

        Args:
            boxes: where known things are now, in pixels of the preview.
        """
        cells = self._cells(preview, boxes)
        if cells is None:
            return 0.0
        if self.usual is not None and self.usual.shape == cells.shape:
            cells = cells - self.usual
        return float(cells.max(initial=0.0))

    def false_alarm(self, preview: Image, boxes: NDArray[np.float32]) -> None:
        """A look that change had triggered found nothing new: where it was, more is usual from now on."""
        cells = self._cells(preview, boxes)
        if cells is None:
            return
        if self.usual is None or self.usual.shape != cells.shape:
            self.usual = np.zeros(cells.shape, np.float32)
        self.usual += _LEARN * np.maximum(cells - self.usual, 0)

    def _cells(self, preview: Image, boxes: NDArray[np.float32]) -> NDArray[np.float32] | None:
        import cv2

        before = self._looked_at
        if before is None or before.shape != preview.shape:
            return None
        changed = cv2.absdiff(preview, before)
        # A step of the exposure changes all of the picture alike; only more than that is change.
        shift = abs(cv2.mean(preview)[0] - cv2.mean(before)[0])
        _, mask = cv2.threshold(changed, _GREY + shift, 1, cv2.THRESH_BINARY)
        for x0, y0, x1, y1 in _grown(np.concatenate([self._known, boxes]), preview.shape):
            mask[y0:y1, x0:x1] = 0
        height, width = (max(1, side // _CELL) for side in preview.shape)
        return np.asarray(cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA))


def is_cut(before: Image, after: Image) -> bool:
    """Whether two consecutive previews show different scenes: the camera was cut or turned.

    Exposure steps change all grey levels alike and keep the correlation; noise in the dark loses it, but is small.
    """
    if before.shape != after.shape:
        return True
    if mean_change(before, after) < _CUT_LEVELS:
        return False
    # Not by OpenCV's `matchTemplate`, which takes ten times as long for its one number.
    first, second = (preview.astype(np.float32).ravel() - preview.mean(dtype=np.float32) for preview in (before, after))
    spread, other = float(first @ first), float(second @ second)
    if not spread or not other:
        return spread != other
    return float(first @ second) < _CUT_LIKENESS * math.sqrt(spread * other)


def mean_change(before: Image, after: Image) -> float:
    """Mean difference of two previews of one size, in grey levels."""
    import cv2

    return float(cv2.norm(before, after, cv2.NORM_L1)) / before.size


def _grown(boxes: NDArray[np.float32], shape: tuple[int, ...]) -> list[list[int]]:
    margin = (boxes[:, 2:] - boxes[:, :2]) * _MARGIN + 1
    grown = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
    limits = [shape[1], shape[0]] * 2
    whole: list[list[int]] = np.clip(np.round(grown), 0, limits).astype(int).tolist()
    return whole
