"""How much of a link a picture takes, by its size and the link's codec."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vidpipe.pipeline.spec import LinkSpec

_RAW = 1.5  # bytes of a pixel as packed YUV 4:2:0
_CODED = {  # quality, and bytes of a pixel of street scenes
    "jpeg": ((30, 50, 75, 85, 95), (0.07, 0.10, 0.14, 0.19, 0.31)),
    "webp": ((20, 35, 50, 75, 85, 95), (0.05, 0.06, 0.07, 0.09, 0.13, 0.23)),
}


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
    return float(np.interp(spec.quality, *_CODED[spec.codec])) * pixels * 8e-6
