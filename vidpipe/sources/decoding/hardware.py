"""Decoding by hardware, where there is some, and only after it has been seen to give the right pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from vidpipe.core.picture import YuvPicture
from vidpipe.sources.decoding.container import VideoPacket
from vidpipe.sources.decoding.normal import Normaliser

_DEVICES = {"cuda": "/dev/nvidia0", "vaapi": "/dev/dri/renderD128", "qsv": "/dev/dri/renderD128"}
_SIMILAR = 2.0  # mean difference in grey levels: decoders of one standard differ by rounding at most


@cache
def is_there(kind: str, device: str) -> bool:
    """Whether a kind of hardware, as FFmpeg calls it, can be opened here; `device`: its file."""
    if kind not in hwdevices_available() or not Path(device).exists():
        return False
    try:
        HWAccel(kind).create(av.Codec("h264", "r"))
    except (FFmpegError, RuntimeError, NotImplementedError):
        return False
    return True


class Accelerators:
    """The kinds of hardware that decode here, without those that have been wrong.

    Args:
        is_there: whether a kind and its file are.
    """

    def __init__(self, is_there: Callable[[str, str], bool] = is_there) -> None:
        self._is_there = is_there
        self._refused: set[str] = set()

    def best(self) -> str | None:
        """The kind to use, or None."""
        kinds = (kind for kind in _DEVICES if kind not in self._refused)
        return next((kind for kind in kinds if self._is_there(kind, _DEVICES[kind])), None)

    def refuse(self, kind: str) -> None:
        """Use this kind no more."""
        self._refused.add(kind)


HERE = Accelerators()
"""For all cameras of the process."""


def is_right(frame: av.VideoFrame, packet: VideoPacket, context: VideoCodecContext) -> bool:
    """Whether a picture that hardware has made of a key frame is the one that software makes of it."""
    import cv2

    software = VideoCodecContext.create(context.name, "r")
    assert isinstance(software, VideoCodecContext)
    software.extradata = context.extradata
    try:
        frames = [*software.decode(packet), *software.decode(None)]
    except FFmpegError:
        return False
    if not frames or not isinstance(frames[0], av.VideoFrame):
        return False
    normal = Normaliser()
    ours, theirs = (YuvPicture(normal(picture)).luma() for picture in (frame, frames[0]))
    return ours.shape == theirs.shape and float(cv2.absdiff(ours, theirs).mean()) <= _SIMILAR
