"""What is kept of a frame once it has gone."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Frame, Image
from vidpipe.core.motion import Motion
from vidpipe.stages.track.flow import Grey

By = Literal["flow", "codec", "auto", "held"]
"""What shall move boxes from frame to frame: points that are followed, the vectors of the codec, whichever of them the
stream needs, or nothing."""

Means = Literal["flow", "codec", "both", "held"]
"""What moves them at the moment. Both: the codec, and flow those boxes in which its vectors disagree."""

_LEAST_WIDTH = 320  # of the picture that is followed: at half of 768 flow is as good as at all of it, for a third


class Seen(NamedTuple):
    """A frame as tracking keeps it.

    Attributes:
        size: (width, height) of the source in pixels.
        grey: to follow points in; None where nobody did.
        motion: the vectors of the codec since the frame before that is kept, to move boxes by; None: there are none, or
            nobody goes by them.
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
    def of(cls, frame: Frame, motion: Motion | None = None, *, pictured: bool = True, watched: bool = True) -> Seen:
        """Copies of what is needed of a frame, which itself is gone after the call.

        Args:
            motion: the vectors to move boxes to it by.
            pictured: whether points are followed to it, or on from it.
            watched: whether it will be asked what has changed.
        """
        preview = frame.keep(frame.preview()) if watched else None
        seen = cls(frame.seq, frame.pts, (frame.width, frame.height), None, preview, frame.discontinuity, motion)
        return seen.pictured(frame) if pictured else seen

    def pictured(self, frame: Frame) -> Seen:
        """The same with a picture to follow points in, made of its frame."""
        return self if self.grey is not None else self._replace(grey=Grey.of(_halved(frame.luma()), *self.size))

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
