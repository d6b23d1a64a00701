"""What is kept of a frame once it has gone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Frame, Image
from vidpipe.stages.track.flow import Grey

_LEAST_WIDTH = 320  # of the picture that is followed: at half of 768 flow is as good as at all of it, for a third


class Seen(NamedTuple):
    """A frame as tracking keeps it.

    Attributes:
        size: (width, height) of the source in pixels.
        grey: to follow points in; None where nothing is followed.
        preview: to see change in.
        discontinuity: as of the frame.
    """

    seq: int
    pts: float
    size: tuple[int, int]
    grey: Grey | None
    preview: Image
    discontinuity: int = 0

    @classmethod
    def of(cls, frame: Frame, *, follow: bool = True) -> Seen:
        """Copies of what is needed of a frame, which itself is gone after the call; `follow`: also to follow points."""
        size = (frame.width, frame.height)
        grey = Grey.of(_halved(frame.luma()), *size) if follow else None
        return cls(frame.seq, frame.pts, size, grey, frame.keep(frame.preview()), frame.discontinuity)

    @property
    def preview_scale(self) -> NDArray[np.float32]:
        """Pixels of the preview for a pixel of the source, for xyxy boxes: float32 [4]."""
        height, width = self.preview.shape
        return np.array([width / self.size[0], height / self.size[1]] * 2, np.float32)


def _halved(luma: Image) -> Image:
    """A copy, halved while it stays at least `_LEAST_WIDTH` wide: other sizes cost twenty times as much to make."""
    import cv2

    picture = luma
    while picture.shape[1] >= 2 * _LEAST_WIDTH:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        even = picture[: 2 * height, : 2 * width]
        picture = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.array(picture, copy=True) if picture is luma else picture
