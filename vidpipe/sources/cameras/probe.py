"""Looking at a camera for some seconds: what it sends, and how it can be watched cheaply."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from av.error import FFmpegError
from av.video.frame import PictureType

from vidpipe.core.clock import REAL
from vidpipe.sources.address import Address
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.cameras.errors import CameraError, Kind
from vidpipe.sources.clock import CaptureClock
from vidpipe.sources.decoding.container import ASSUMED_FPS, VideoPacket, believable_fps, stamp_of

_GAP_S = 5.0  # between two stamps: more is another time line, as FFmpeg's first one often is
_LARGE_PX = 1_000_000  # of a picture; detectors look at 640x640
_SUBSTREAMS = (
    (re.compile(r"/Channels/(\d+)01\b", re.IGNORECASE), r"/Channels/\g<1>02"),
    (re.compile(r"\bsubtype=0\b"), "subtype=1"),
    (re.compile(r"_main\b"), "_sub"),
    (re.compile(r"\bstream1\b"), "stream2"),
    (re.compile(r"\bav0_0\b"), "av0_1"),
)


@dataclass(slots=True)
class Findings:
    """What was seen of a camera.

    Attributes:
        transport: "tcp", "udp", or "" for other than RTSP.
        opened_s, first_picture_s: from the beginning until the connection stood, and until a whole picture was there.
        announced_fps: None where the camera announces nothing that can be believed.
        measured_fps, kbit_s: over the time of watching.
        groups: pictures from key frame to key frame, of each group that was seen whole.
        group_s: longest time from key frame to key frame, or None where not two were seen.
        sender_offset_s: by how much the camera's clock is behind ours; None where it does not tell.
    """

    codec: str
    profile: str
    transport: str
    opened_s: float
    announced_fps: float | None
    width: int = 0
    height: int = 0
    pixels: str = ""
    first_picture_s: float | None = None
    measured_fps: float = 0.0
    kbit_s: float = 0.0
    b_frames: bool = False
    damaged: int = 0
    groups: list[int] = field(default_factory=list)
    group_s: float | None = None
    sender_offset_s: float | None = None


def probe(spec: StreamSpec, seconds: float) -> Findings:
    """Watch a camera for so long.

    Raises:
        CameraError: it cannot be watched.
        SourceError: the address is none.
    """
    Address(spec.url).reveal()
    began = time.monotonic()
    connection = _connected(spec)
    try:
        stream = connection.stream
        context = stream.codec_context
        found = Findings(
            context.name,
            "",
            connection.transport,
            time.monotonic() - began,
            believable_fps(stream),
        )
        _watch(connection, found, seconds, began)
        found.profile = context.profile or ""
    finally:
        connection.close()
    return found


def substream(url: str) -> str | None:
    """How makers commonly name the smaller stream beside one of this address: the part that differs, or None."""
    for pattern, other in _SUBSTREAMS:
        if match := pattern.search(url):
            return match.expand(other)
    return None


def is_large(found: Findings) -> bool:
    """Whether decoding it costs several times what a detector needs."""
    return found.width * found.height > _LARGE_PX


def _connected(spec: StreamSpec) -> Connection:
    transports: Sequence[str] = ("tcp", "udp") if spec.transport == "auto" else (spec.transport,)
    for transport in transports:
        try:
            return Connection(spec, transport=transport)
        except CameraError as error:
            if error.kind is not Kind.TRANSPORT or transport == transports[-1]:
                raise
    raise AssertionError("there is always a transport")


class _Track:
    """How much was seen, by the stamps of the newest picture to be shown: with B-frames others are sent behind it."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._newest: float | None = None
        self._nbytes = 0
        self.pictures = 0
        self.span_s = 0.0
        self.keys: list[tuple[int, float]] = []
        self._whole = (0, 0.0, 0)  # pictures, seconds and bytes before the newest: of these none is still to come

    def add(self, media: float, nbytes: int, *, key: bool) -> None:
        """The next picture as they are sent, of this stamp in seconds."""
        step_s = 0.0 if self._newest is None else media - self._newest
        if self._newest is None or step_s > 0 or step_s < -_GAP_S:
            self._whole = self.pictures, self.span_s, self._nbytes
            if self._newest is not None:
                self.span_s += step_s if 0 < step_s < _GAP_S else self._period_s
            self._newest = media
        if key:
            self.keys.append((self.pictures, self.span_s))
        self.pictures += 1
        self._nbytes += nbytes

    @property
    def fps(self) -> float:
        pictures, span_s, _ = self._whole
        return (pictures - 1) / span_s if span_s > 0 else 0.0

    @property
    def kbit_s(self) -> float:
        _, span_s, nbytes = self._whole
        return nbytes * 8 / 1000 / span_s if span_s > 0 else 0.0


def _watch(connection: Connection, found: Findings, seconds: float, began: float) -> None:
    stream = connection.stream
    period_s = 1 / (found.announced_fps or ASSUMED_FPS)
    clock = CaptureClock(stream.time_base or Fraction(1, 90_000), period_s, REAL)
    track = _Track(period_s)
    for unit, now in connection.units():
        packet = unit.packet
        stamp = stamp_of(packet)
        at = clock.at(stamp, unit.at, unit.sender_utc).at
        media = at if stamp is None or stream.time_base is None else float(stamp * stream.time_base)
        track.add(media, packet.size, key=packet.is_keyframe)
        if track.keys:
            _decode(connection, packet, found, began)
        if now - began >= seconds:
            break
    found.sender_offset_s = clock.sender_offset_s
    found.measured_fps, found.kbit_s = track.fps, track.kbit_s
    found.groups = [later[0] - sooner[0] for sooner, later in pairwise(track.keys)]
    found.group_s = max((later[1] - sooner[1] for sooner, later in pairwise(track.keys)), default=None)


def _decode(connection: Connection, packet: VideoPacket, found: Findings, began: float) -> None:
    try:
        frames = connection.stream.decode(packet)
    except FFmpegError:
        found.damaged += 1
        return
    for frame in frames:
        if found.first_picture_s is None:
            found.first_picture_s = time.monotonic() - began
        found.width, found.height, found.pixels = frame.width, frame.height, frame.format.name
        found.b_frames |= frame.pict_type == PictureType.B
        found.damaged += frame.is_corrupt
