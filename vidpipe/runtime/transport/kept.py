"""A copy of a frame that outlives its call, in case it is asked for later: no larger than it would cross the links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture, Planes, YuvPicture, packed_size
from vidpipe.core.settings import StageConfig
from vidpipe.models.letterbox import enough, scale
from vidpipe.pipeline.plan import Link
from vidpipe.runtime.transport.codec import planes_of
from vidpipe.runtime.transport.size import networks_behind, scaled


def kept(frame: Frame, link: Link | None, asked: Mapping[str, Sequence[StageConfig]]) -> Frame:
    """The copy, with nothing but its picture.

    Args:
        link: the first one on its way that sends pictures smaller than they are; None: they cross as they are.
        asked: stages that may be asked of it, by id, with the settings.
    """
    height, width = frame.luma().shape
    size = width, height
    if link is not None:
        networks = networks_behind(link, frame.knobs, asked)
        size = scaled(enough(size, networks) if networks else size, link.spec)
    is_whole = size == (width, height)
    if isinstance(frame.picture, YuvPicture):
        planes = frame.picture.planes()
        picture: YuvPicture | BgrPicture = YuvPicture.from_planes(planes if is_whole else _shrunk(planes, size))
    else:
        pixels = frame.picture.bgr()
        picture = BgrPicture(pixels.copy() if is_whole else scale(pixels, size))
    return Frame(
        frame.stream,
        frame.seq,
        frame.pts,
        picture,
        frame.width,
        frame.height,
        captured_at=frame.captured_at,
        since=frame.since,
        hidden=frame.hidden if is_whole else None,  # beyond a link with a codec it is made anew
        visible=frame.visible,
        knobs=frame.knobs,
        discontinuity=frame.discontinuity,
    )


def _shrunk(planes: Planes, size: tuple[int, int]) -> Planes:
    import cv2

    width, height = size
    pixels = np.empty(packed_size(width, height), np.uint8)
    into = planes_of(pixels, width, height)
    for plane, target in zip(planes_of(planes.pixels, planes.width, planes.height), into, strict=True):
        cv2.resize(plane, target.shape[::-1], dst=target, interpolation=cv2.INTER_LINEAR)
    return planes._replace(pixels=pixels, width=width, height=height)
