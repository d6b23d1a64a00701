"""How much of a link a picture takes, by its size and the link's codec."""

from __future__ import annotations

from typing import NamedTuple

from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport.quality import coded_size

_RAW = 1.5  # bytes of a pixel as packed YUV 4:2:0
_JPEG_85 = 0.19  # bytes of a pixel of street scenes as JPEG of quality 85; of others `coded_size` tells


class Video(NamedTuple):
    """How many pictures come, a second, and how large they are in pixels."""

    fps: float
    width: int
    height: int


def picture_mb(video: Video, spec: LinkSpec) -> float:
    """Megabits of a picture on a link."""
    pixels = video.width * video.height
    if spec.codec == "raw":
        return _RAW * pixels * 8e-6
    if spec.width is not None and spec.width < video.width:
        pixels = pixels * spec.width**2 // video.width**2
    return _JPEG_85 * coded_size(spec.codec, spec.quality) * pixels * 8e-6
