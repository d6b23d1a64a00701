"""A frame as it crosses a link, and the codecs that pack it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame, Image
from vidpipe.core.picture import BgrPicture, Planes, YuvPicture
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.sources.view import View

ELSEWHERE: Image = np.empty(0, np.uint8)  # in place of pixels that lie in memory which both sides have

_NO_VIEWS: Mapping[str, View] = {}


class Jpeg(NamedTuple):
    """An encoded picture: uint8 [n]."""

    data: Image


class Bgr(NamedTuple):
    """A picture that was made as BGR, or came out of a codec.

    Attributes:
        pixels: uint8 [height * width * 3].
    """

    pixels: Image
    width: int
    height: int


class PackedFrame(NamedTuple):
    """An open frame on a link.

    Attributes:
        picture: packed planes or BGR, or a JPEG.
        size: (width, height) of the source.
        due, straight: as in the frame's ticket.
        complete: as in `Downstream.ask`.
        nbytes: of the picture as packed and of the features.
    """

    stream: str
    seq: int
    pts: float
    captured_at: float | None
    since: float
    size: tuple[int, int]
    visible: float
    discontinuity: int
    features: dict[str, Any]
    picture: Planes | Bgr | Jpeg
    due: bool
    straight: bool
    complete: bool
    nbytes: int

    def with_pixels(self, pixels: Image) -> PackedFrame:
        """The same frame with its pixels in other memory; of a picture that is no JPEG."""
        if isinstance(self.picture, Jpeg):
            raise TypeError("a JPEG has no pixels")
        return self._replace(picture=self.picture._replace(pixels=pixels))


def pack(ticket: Ticket, spec: LinkSpec, *, complete: bool, memory: Image | None = None) -> PackedFrame:
    """A copy of an open frame that outlives the call: one copy of its pixels, or the JPEG of its BGR picture.

    Args:
        memory: where to put the pixels, uint8 [n]; by default new memory.
    """
    frame = ticket.frame
    picture = _jpeg(frame, spec) if spec.codec == "jpeg" else _raw(frame, memory)
    return PackedFrame(
        frame.stream,
        frame.seq,
        frame.pts,
        frame.captured_at,
        frame.since,
        (frame.width, frame.height),
        frame.visible,
        frame.discontinuity,
        copy.deepcopy(frame.features),
        picture,
        ticket.due,
        ticket.straight,
        complete,
        int(picture[0].nbytes) + features_nbytes(frame),
    )


def unpack(packed: PackedFrame, knobs: Knobs, views: Mapping[str, View] = _NO_VIEWS) -> Ticket:
    """The frame on the other side; it keeps the packed pixels rather than copying them.

    Args:
        knobs: the settings that the frame is treated with.
        views: of each stream; they are known on both sides and do not travel.
    """
    picture = _picture(packed.picture)
    view = views.get(packed.stream)
    frame = Frame(
        packed.stream,
        packed.seq,
        packed.pts,
        picture,
        *packed.size,
        captured_at=packed.captured_at,
        since=packed.since,
        hidden=view.hidden(*picture.luma().shape[::-1]) if view else None,
        visible=packed.visible,
        knobs=knobs,
        discontinuity=packed.discontinuity,
    )
    frame.features.update(packed.features)
    return Ticket(frame, due=packed.due, straight=packed.straight)


def features_nbytes(frame: Frame) -> int:
    """What the features of a frame take on a link; of those that cannot cross one that is nothing."""
    try:
        return len(pickle.dumps(frame.features)) if frame.features else 0
    except Exception:  # whatever a stage left there
        return 0


def _raw(frame: Frame, memory: Image | None) -> Planes | Bgr:
    picture = frame.picture
    if isinstance(picture, YuvPicture):
        return picture.planes(memory)
    bgr = picture.bgr()
    pixels = np.empty(bgr.size, np.uint8) if memory is None else memory
    pixels.reshape(bgr.shape)[:] = bgr
    return Bgr(pixels, bgr.shape[1], bgr.shape[0])


def _jpeg(frame: Frame, spec: LinkSpec) -> Jpeg:
    import cv2

    bgr = frame.bgr()
    if spec.width is not None and bgr.shape[1] > spec.width:
        height = max(1, round(bgr.shape[0] * spec.width / bgr.shape[1]))
        bgr = np.asarray(cv2.resize(bgr, (spec.width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Jpeg(np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, spec.quality])[1], np.uint8))


def _picture(body: Planes | Bgr | Jpeg) -> YuvPicture | BgrPicture:
    if isinstance(body, Planes):
        return YuvPicture.from_planes(body)
    if isinstance(body, Jpeg):
        import cv2

        return BgrPicture(np.asarray(cv2.imdecode(body.data, cv2.IMREAD_COLOR), np.uint8))
    return BgrPicture(body.pixels.reshape(body.height, body.width, 3))
