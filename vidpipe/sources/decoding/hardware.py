"""Decoding by hardware, where there is some, and only after it has been seen to give the right pictures."""

from __future__ import annotations

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
_refused: set[str] = set()


def accelerator() -> str | None:
    """The kind of hardware that decodes here, as FFmpeg calls it, or None."""
    return next((kind for kind in _DEVICES if kind not in _refused and _is_there(kind)), None)


def refuse(kind: str) -> None:
    """Use this kind no more in this process."""
    _refused.add(kind)


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


@cache
def _is_there(kind: str) -> bool:
    if kind not in hwdevices_available() or not Path(_DEVICES[kind]).exists():
        return False
    try:
        HWAccel(kind).create(av.Codec("h264", "r"))
    except (FFmpegError, RuntimeError, NotImplementedError):
        return False
    return True
