"""Any decoder's picture as the one kind that stages know: 8-bit YUV 4:2:0, upright."""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, VideoReformatter

from vidpipe.core.frame import Image
from vidpipe.core.picture import Planes, YuvPicture

_FULL = ("yuvj", "gray")  # that grey is full range is FFmpeg's rule
_AS_IT_IS = frozenset({"yuv420p", "yuvj420p"})


class Turn(NamedTuple):
    """How to turn a picture upright: exchange rows and columns first, then mirror either."""

    exchange: bool
    mirror_rows: bool
    mirror_columns: bool

    def apply(self, plane: Image) -> Image:
        """The plane turned, uint8 [h, w] or [w, h]: a view."""
        turned = plane.T if self.exchange else plane
        return turned[:: -1 if self.mirror_rows else 1, :: -1 if self.mirror_columns else 1]


_QUARTERS = {
    90: Turn(True, True, False),
    -90: Turn(True, False, True),
    180: Turn(False, True, True),
    -180: Turn(False, True, True),
}


class Normaliser:
    """Turns pictures upright, as the file's display matrix asks, and into 8-bit YUV 4:2:0.

    A picture that is so already is handed on untouched. Others are converted at once, not on first use: the first stage
    reads luma, so little could be saved. The range (video or full) stays as it was; RGB and grey become full range.

    Attributes:
        turn: of the picture that came last; None: it was upright.
    """

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._angle: int | None = None
        self.turn: Turn | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The picture, or a new one; never the decoder's own, changed."""
        if frame.rotation != self._angle:
            self._angle, self.turn = frame.rotation, _turn(frame)
        if frame.format.name not in _AS_IT_IS:
            frame = self._eight_bit(frame)
        return _turned(frame, self.turn) if self.turn else frame

    def _eight_bit(self, frame: av.VideoFrame) -> av.VideoFrame:
        name = frame.format.name
        full = name.startswith(_FULL) or frame.format.is_rgb or frame.color_range == ColorRange.JPEG
        kind = ColorRange.JPEG if full else ColorRange.MPEG
        return self._scaler.reformat(
            frame,
            format="yuvj420p" if full else "yuv420p",
            src_color_range=kind,
            dst_color_range=kind,
            threads=1,  # else FFmpeg starts a pool of threads, which costs more than the picture
        )


def _turn(frame: av.VideoFrame) -> Turn | None:
    """What the display matrix asks for, in quarter turns and mirrors (av_display_rotation_get, libavutil/display.h)."""
    try:
        matrix = bytes(frame.side_data[SideData.DISPLAYMATRIX])  # type: ignore[typeddict-item]
    except (KeyError, ValueError):  # none, or beside it a kind of side data that PyAV does not know
        return _QUARTERS.get(frame.rotation)
    (a, b), (c, d) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].tolist()
    exchange = abs(b) > abs(a)
    turn = Turn(exchange, mirror_rows=(b if exchange else d) < 0, mirror_columns=(c if exchange else a) < 0)
    return turn if any(turn) else None


def _turned(frame: av.VideoFrame, turn: Turn) -> av.VideoFrame:
    packed = YuvPicture(frame).planes()
    rows, columns = packed.height, packed.width
    chroma = (rows + 1) // 2, (columns + 1) // 2
    y, u, v = np.split(packed.pixels, (rows * columns, rows * columns + chroma[0] * chroma[1]))
    planes = [turn.apply(plane.reshape(shape)) for plane, shape in ((y, (rows, columns)), (u, chroma), (v, chroma))]
    height, width = planes[0].shape
    pixels = np.concatenate([plane.ravel() for plane in planes])
    return YuvPicture.from_planes(
        Planes(pixels, width, height, packed.format, packed.colorspace, packed.color_range)
    ).frame
