"""A frame as it crosses a link, and the codecs that pack it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame, Image, Picture
from vidpipe.core.picture import BgrPicture, Planes, YuvPicture, packed_size
from vidpipe.core.settings import Knobs
from vidpipe.models.letterbox import scale
from vidpipe.models.split.coding import Features
from vidpipe.models.split.picture import FeaturePicture
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport.size import own_size, scaled
from vidpipe.sources.view import View

ELSEWHERE: Image = np.empty(0, np.uint8)  # in place of pixels that lie in memory which both sides have

_NO_VIEWS: Mapping[str, View] = {}
_GREY = 114  # as around pictures in the input of a network
MOST_FINER = 3.0
_WEBP_EFFORT = 2  # of 0 to 6: 4, the usual one, saves 6 % of the bytes for twice the CPU


class Coded(NamedTuple):
    """An encoded picture, JPEG or WebP: uint8 [n]."""

    data: Image


class Bgr(NamedTuple):
    """A picture that was made as BGR, or came out of a codec.

    Attributes:
        pixels: uint8 [height * width * 3].
    """

    pixels: Image
    width: int
    height: int


class Parts(NamedTuple):
    """Parts of a picture; the rest was not sent.

    Attributes:
        places: where they belong, int xyxy [k, 4] in pixels of the picture.
        width, height: of the whole picture.
    """

    pictures: tuple[Planes | Bgr | Coded, ...]
    places: NDArray[np.int64]
    width: int
    height: int


Body = Planes | Bgr | Coded | Parts | Features
"""A picture as it crosses."""


class PackedFrame(NamedTuple):
    """An open frame on a link.

    Attributes:
        picture: packed planes or BGR, or encoded; or parts of it; or what the head of a model has made of it.
        size: (width, height) of the source.
        due, straight: as in the frame's ticket.
        complete: as in `Downstream.ask`.
        nbytes: of the picture as packed and of the features.
        trace: as in the frame.
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
    picture: Body
    due: bool
    straight: bool
    complete: bool
    nbytes: int
    trace: str

    def with_pixels(self, pixels: Image) -> PackedFrame:
        """The same frame with its pixels in other memory; of a picture that is not encoded."""
        return self._replace(picture=_with_pixels(self.picture, pixels))


def pack(
    ticket: Ticket,
    spec: LinkSpec,
    *,
    complete: bool,
    memory: Image | None = None,
    places: NDArray[np.int64] | None = None,
    size: tuple[int, int] | None = None,
    features: Features | None = None,
) -> PackedFrame:
    """A copy of an open frame that outlives the call: one copy of its pixels, or its BGR picture encoded.

    Args:
        features: that cross in place of the picture.
        memory: where to put the pixels, uint8 [n]; by default new memory.
        places: the parts of the picture that are sent, as of `parts_of`; None: all of it.
        size: (width, height) of an encoded picture; None: as the spec alone says.
    """
    frame = ticket.frame
    picture: Body
    if features is not None:
        picture = features
    elif spec.codec == "raw":
        picture = _raw(frame, memory, places)
    else:
        picture = _coded(frame, spec, places, size or scaled(own_size(frame, spec), spec))
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
        _nbytes(picture) + _features_nbytes(frame),
        frame.trace,
    )


def unpack(packed: PackedFrame, knobs: Knobs, views: Mapping[str, View] = _NO_VIEWS) -> Ticket:
    """The frame on the other side; it keeps the packed pixels rather than copying them.

    Args:
        knobs: the settings that the frame is treated with.
        views: of each stream; they are known on both sides and do not travel.
    """
    picture = _picture(packed.picture)
    frame = Frame(
        packed.stream,
        packed.seq,
        packed.pts,
        picture,
        *packed.size,
        captured_at=packed.captured_at,
        since=packed.since,
        hidden=_hidden(packed, picture, views),
        visible=packed.visible,
        knobs=knobs,
        discontinuity=packed.discontinuity,
        in_parts=isinstance(packed.picture, Parts),
        trace=packed.trace,
    )
    frame.features.update(packed.features)
    return Ticket(frame, due=packed.due, straight=packed.straight)


def _hidden(packed: PackedFrame, picture: Picture, views: Mapping[str, View]) -> NDArray[np.bool_] | None:
    view = views.get(packed.stream)
    if view is None or isinstance(packed.picture, Features):
        return None
    width, height = picture.luma().shape[::-1]
    return view.hidden(width, height)


def _features_nbytes(frame: Frame) -> int:
    """What the features of a frame take on a link; of those that cannot cross one that is nothing."""
    try:
        return len(pickle.dumps(frame.features)) if frame.features else 0
    except Exception:  # whatever a stage left there
        return 0


def raw_nbytes(frame: Frame, places: NDArray[np.int64] | None) -> int:
    """What a frame takes on a link without a codec, or these parts of it."""
    if places is None:
        return frame.picture.nbytes + _features_nbytes(frame)
    sizes = (places[:, 2:] - places[:, :2]).tolist()
    planar = isinstance(frame.picture, YuvPicture)
    pixels = sum(packed_size(width, height) if planar else width * height * 3 for width, height in sizes)
    return pixels + int(places.nbytes) + _features_nbytes(frame)


def _nbytes(picture: Body) -> int:
    if isinstance(picture, Features):
        return int(picture.maps.data.nbytes)
    if isinstance(picture, Parts):
        return sum(map(_nbytes, picture.pictures)) + int(picture.places.nbytes)
    return int(picture[0].nbytes)


def _raw(frame: Frame, memory: Image | None, places: NDArray[np.int64] | None) -> Planes | Bgr | Parts:
    if places is None:
        return _raw_part(frame, memory, None)
    pictures: list[Planes | Bgr] = []
    start = 0
    for x0, y0, x1, y1 in places.tolist():
        size = packed_size(x1 - x0, y1 - y0) if isinstance(frame.picture, YuvPicture) else (x1 - x0) * (y1 - y0) * 3
        own = None if memory is None else memory[start : start + size]
        pictures.append(_raw_part(frame, own, (x0, y0, x1, y1)))
        start += size
    height, width = frame.luma().shape
    return Parts(tuple(pictures), places, width, height)


def _raw_part(frame: Frame, memory: Image | None, place: tuple[int, int, int, int] | None) -> Planes | Bgr:
    picture = frame.picture
    if isinstance(picture, YuvPicture):
        return picture.planes(memory, place)
    bgr = picture.bgr()
    if place is not None:
        bgr = bgr[place[1] : place[3], place[0] : place[2]]
    pixels = np.empty(bgr.size, np.uint8) if memory is None else memory
    pixels.reshape(bgr.shape)[:] = bgr
    return Bgr(pixels, bgr.shape[1], bgr.shape[0])


def _with_pixels(picture: Body, pixels: Image) -> Planes | Bgr | Parts:
    if isinstance(picture, Coded | Features):
        raise TypeError("an encoded picture has no pixels")
    if not isinstance(picture, Parts):
        return picture._replace(pixels=pixels)
    parts: list[Planes | Bgr | Coded] = []
    start = 0
    for part in picture.pictures:
        if isinstance(part, Coded):
            raise TypeError("an encoded picture has no pixels")
        planar = isinstance(part, Planes)
        end = start + (packed_size(part.width, part.height) if planar else part.width * part.height * 3)
        parts.append(part._replace(pixels=pixels[start:end]))
        start = end
    return picture._replace(pictures=tuple(parts))


def _coded(frame: Frame, spec: LinkSpec, places: NDArray[np.int64] | None, size: tuple[int, int]) -> Coded | Parts:
    bgr, quality = frame.bgr(), spec.quality
    if size != bgr.shape[1::-1] and spec.width is None:
        quality = raised(quality, bgr.shape[0] * bgr.shape[1] / (size[0] * size[1]))
        bgr = scale(bgr, size)
    elif size != bgr.shape[1::-1]:
        bgr = _shrunk(bgr, size)
    if places is None:
        return _encoded(bgr, spec.codec, quality)
    parts = (np.ascontiguousarray(bgr[y0:y1, x0:x1]) for x0, y0, x1, y1 in places.tolist())
    return Parts(tuple(_encoded(part, spec.codec, quality) for part in parts), places, *size)


def raised(quality: int, times: float, most: float = MOST_FINER) -> int:
    """The quality at which a picture that was scaled to so many times fewer pixels is as good to a network as one that
    is scaled behind the codec: there, each pixel that the network sees is a mean, and what JPEG does to single ones
    cancels.

    The steps of JPEG's tables are as many times finer, up to `most`: measured (`python -m benchmarks links size`).
    """
    steps = 5000 / quality if quality < 50 else 200 - 2 * quality  # in percent, as libjpeg counts
    steps /= min(max(times, 1.0), most)
    return round(5000 / steps) if steps > 100 else round((200 - steps) / 2)


def _shrunk(bgr: Image, size: tuple[int, int]) -> Image:
    """A picture at a size that no network asks for: each pixel is the mean of those that it stands for."""
    import cv2

    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(bgr: Image, codec: str, quality: int) -> Coded:
    import cv2

    if codec == "webp":
        return Coded(_webp(bgr, quality))
    return Coded(np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], np.uint8))


def _webp(bgr: Image, quality: int) -> Image:
    """The picture as WebP, uint8 [n]; OpenCV writes it, too, but always with an effort that takes 2.3 times the CPU."""
    import av

    picture = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format="yuv420p")
    encoder = av.CodecContext.create("libwebp", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *bgr.shape[1::-1], "yuv420p", Fraction(1)
    encoder.options = {"quality": str(quality), "compression_level": str(_WEBP_EFFORT)}
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return np.frombuffer(b"".join(map(bytes, packets)), np.uint8)


def _picture(body: Body) -> Picture:
    if isinstance(body, Features):
        return FeaturePicture(body)
    if isinstance(body, Parts):
        return _joined(body)
    if isinstance(body, Planes):
        return YuvPicture.from_planes(body)
    if isinstance(body, Coded):
        import cv2

        return BgrPicture(np.asarray(cv2.imdecode(body.data, cv2.IMREAD_COLOR), np.uint8))
    return BgrPicture(body.pixels.reshape(body.height, body.width, 3))


def _joined(body: Parts) -> YuvPicture | BgrPicture:
    """The parts in their places, and grey for what was not sent."""
    first = body.pictures[0]
    if isinstance(first, Planes):  # joined as planes, so that the whole is converted to BGR as it would be
        return YuvPicture.from_planes(first._replace(pixels=_joined_planes(body), width=body.width, height=body.height))
    whole = np.full((body.height, body.width, 3), _GREY, np.uint8)
    for (x0, y0, x1, y1), part in zip(body.places.tolist(), body.pictures, strict=True):
        whole[y0:y1, x0:x1] = _picture(part).bgr()
    return BgrPicture(whole)


def _joined_planes(body: Parts) -> Image:
    whole = np.full(packed_size(body.width, body.height), _GREY, np.uint8)
    into = planes_of(whole, body.width, body.height)
    for (x0, y0, x1, y1), part in zip(body.places.tolist(), body.pictures, strict=True):
        assert isinstance(part, Planes)
        for number, (plane, own) in enumerate(zip(into, planes_of(part.pixels, part.width, part.height), strict=True)):
            half = 2 if number else 1
            plane[y0 // half : -(-y1 // half), x0 // half : -(-x1 // half)] = own
    return whole


def planes_of(pixels: Image, width: int, height: int) -> list[Image]:
    """Views of packed 4:2:0 planes: luma, U and V."""
    luma, half = width * height, ((height + 1) // 2, (width + 1) // 2)
    u, v = np.split(pixels[luma : packed_size(width, height)], 2)
    return [pixels[:luma].reshape(height, width), u.reshape(half), v.reshape(half)]
