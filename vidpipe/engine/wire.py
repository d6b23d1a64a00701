"""A frame as it crosses a link, and the codecs that pack it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vidpipe.cascade import Ticket
from vidpipe.engine.pipeline import LinkSpec
from vidpipe.frame import Frame, Image
from vidpipe.knobs import Knobs
from vidpipe.picture import BgrPicture, Planes, YuvPicture
from vidpipe.sources.view import View

_DEFAULTS = Knobs()
_NO_VIEWS: Mapping[str, View] = {}


class Jpeg(NamedTuple):
    """An encoded picture: uint8 [n]."""

    data: Image


class WireFrame(NamedTuple):
    """An open frame on a link.

    Attributes:
        picture: packed planes, JPEG, or BGR [h, w, 3] for a picture that was made as one.
        size: (width, height) of the source.
        due, straight: as in the frame's ticket.
        settle: as in `Below.ask`.
        nbytes: of the picture as packed; notes and answers are small beside it.
    """

    stream: str
    seq: int
    pts: float
    captured_at: float | None
    since: float
    size: tuple[int, int]
    visible: float
    stretch: int
    notes: dict[str, Any]
    picture: Planes | Jpeg | Image
    due: bool
    straight: bool
    settle: bool
    nbytes: int


def pack(ticket: Ticket, spec: LinkSpec, *, settle: bool, memory: Image | None = None) -> WireFrame:
    """A copy of an open frame that outlives the call: one copy of its planes, or the JPEG of its BGR picture.

    Args:
        memory: where to put the planes, uint8 [n]; by default new memory.
    """
    frame = ticket.frame
    picture = _jpeg(frame, spec) if spec.codec == "jpeg" else _raw(frame, memory)
    pixels = picture if isinstance(picture, np.ndarray) else picture[0]
    return WireFrame(
        frame.stream,
        frame.seq,
        frame.pts,
        frame.captured_at,
        frame.since,
        (frame.width, frame.height),
        frame.visible,
        frame.stretch,
        frame.notes,
        picture,
        ticket.due,
        ticket.straight,
        settle,
        int(pixels.nbytes),
    )


def unpack(wire: WireFrame, knobs: Mapping[str, Knobs], views: Mapping[str, View] = _NO_VIEWS) -> Ticket:
    """The frame on the other side; it keeps the wire's pixels rather than copying them.

    Args:
        knobs, views: of each stream; they are known on both sides and do not travel.
    """
    picture = _picture(wire.picture)
    view = views.get(wire.stream)
    frame = Frame(
        wire.stream,
        wire.seq,
        wire.pts,
        picture,
        *wire.size,
        captured_at=wire.captured_at,
        since=wire.since,
        hidden=view.hidden(*picture.luma().shape[::-1]) if view else None,
        visible=wire.visible,
        knobs=knobs.get(wire.stream, _DEFAULTS),
        stretch=wire.stretch,
    )
    frame.notes.update(wire.notes)
    return Ticket(frame, due=wire.due, straight=wire.straight)


def _raw(frame: Frame, memory: Image | None) -> Planes | Image:
    picture = frame.picture
    return picture.planes(memory) if isinstance(picture, YuvPicture) else np.array(picture.bgr())


def _jpeg(frame: Frame, spec: LinkSpec) -> Jpeg:
    import cv2

    bgr = frame.bgr()
    if spec.width is not None and bgr.shape[1] > spec.width:
        height = max(1, round(bgr.shape[0] * spec.width / bgr.shape[1]))
        bgr = np.asarray(cv2.resize(bgr, (spec.width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Jpeg(np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, spec.quality])[1], np.uint8))


def _picture(body: Planes | Jpeg | Image) -> YuvPicture | BgrPicture:
    if isinstance(body, Planes):
        return YuvPicture.from_planes(body)
    if isinstance(body, Jpeg):
        import cv2

        return BgrPicture(np.asarray(cv2.imdecode(body.data, cv2.IMREAD_COLOR), np.uint8))
    return BgrPicture(body)
