"""What is kept of a frame once it has gone."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Frame, Image
from vidpipe.core.motion import Motion
from vidpipe.stages.track.flow import Grey

By = Literal["flow", "codec", "held"]
"""What moves boxes from frame to frame: points that are followed, the vectors of the codec, or nothing."""

_LEAST_WIDTH = 320  # of the picture that is followed: at half of 768 flow is as good as at all of it, for a third


class Seen(NamedTuple):
    """A frame as tracking keeps it.

    Attributes:
        size: (width, height) of the source in pixels.
        grey: to follow points in; None where nobody does.
        motion: the vectors of the codec since the frame before that is kept, to move boxes by; None where points are
            followed, or nothing is.
        preview: to see change in; None where nobody looks.
        discontinuity: as of the frame.
    """

    seq: int
    pts: float
    size: tuple[int, int]
    grey: Grey | None
    preview: Image | None
    discontinuity: int = 0
    motion: Motion | None = None

    @classmethod
    def of(cls, frame: Frame, by: By = "flow", motion: Motion | None = None, *, watched: bool = True) -> Seen:
        """Copies of what is needed of a frame, which itself is gone after the call.

        Args:
            by: what moves boxes to it and on from it.
            motion: by which, where that is the codec.
            watched: whether it will be asked what has changed.
        """
        size = (frame.width, frame.height)
        grey = Grey.of(_halved(frame.luma()), *size) if by == "flow" else None
        preview = frame.keep(frame.preview()) if watched else None
        return cls(frame.seq, frame.pts, size, grey, preview, frame.discontinuity, motion)

    def in_preview(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes [n, 4] in pixels of the preview."""
        assert self.preview is not None
        height, width = self.preview.shape
        return boxes * np.array([width / self.size[0], height / self.size[1]] * 2, np.float32)


def _halved(luma: Image) -> Image:
    """A copy, halved while it stays at least `_LEAST_WIDTH` wide: other sizes cost twenty times as much to make."""
    import cv2

    picture = luma
    while picture.shape[1] >= 2 * _LEAST_WIDTH:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        even = picture[: 2 * height, : 2 * width]
        picture = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.array(picture, copy=True) if picture is luma else picture
