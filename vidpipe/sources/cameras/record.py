"""A camera's packets in a file, as it sends them: nothing is decoded, nothing is encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import RunError, SourceError
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.cameras.errors import CameraError, Kind
from vidpipe.sources.decoding.access_units import CODECS, AccessUnit
from vidpipe.sources.decoding.container import VideoPacket

_TICKS = 90_000  # a second, of times in the file
_KEY_S = 30.0  # in which a camera must send a key frame
_APART_S = 2.0  # between a camera's stamps and when its pictures came: more is a clock that was set


def record(name: str, spec: StreamSpec, for_s: float, folder: Path, clock: Clock = REAL) -> Path:
    """Record one connection for a while, from its first key frame on; the file.

    Args:
        name: of the stream, for errors.
        folder: where the file goes.

    Raises:
        SourceError: the camera cannot be opened, sends no key frame, or breaks off before a second of it is there.
        RunError: the file cannot be written.
    """
    try:
        connection = Connection(spec, transport="udp" if spec.transport == "udp" else "tcp", clock=clock)
    except CameraError as error:
        raise SourceError(f"stream {name}: {error}") from None
    # MPEG-TS takes H.264 and H.265 as RTP brings them; what it does not know goes into Matroska.
    plain = connection.stream.codec_context.name in CODECS
    path = folder / ("camera.ts" if plain else "camera.mkv")
    times = _Times(connection.stream.time_base)
    try:
        with av.open(str(path), "w") as output:
            into = output.add_stream_from_template(connection.stream)
            for packet, at in _from_key_frame(connection.units()):
                stamp = packet.pts
                packet.stream = into
                packet.time_base = Fraction(1, _TICKS)
                packet.pts = packet.dts = times.of(stamp, at)
                if times.last >= for_s * _TICKS:
                    break
                output.mux(packet)
    except CameraError as error:
        if times.last < _TICKS:
            raise SourceError(f"stream {name}: {error}") from None
    except (FFmpegError, OSError) as error:
        raise RunError(f"stream {name}: its recording {path} cannot be written: {error.strerror}") from None
    finally:
        connection.close()
    return path


def _from_key_frame(units: Iterator[tuple[AccessUnit, float]]) -> Iterator[tuple[VideoPacket, float]]:
    """The packets from the first on that can be decoded by itself, with when they came."""
    since: float | None = None
    begun = False
    for unit, at in units:
        since = at if since is None else since
        begun = begun or unit.packet.is_keyframe
        if begun:
            yield unit.packet, at
        elif at - since > _KEY_S:
            raise CameraError(Kind.PICTURE, f"the camera sent no key frame in {_KEY_S:g} s")


class _Times:
    """Times of packets in a file: they rise, as the camera's own do where those can be believed.

    Packets come in bursts, so when they came says less; but stamps of streams with B-frames go to and fro, and clocks
    are set.

    Attributes:
        last: ticks.
    """

    def __init__(self, time_base: Fraction | None) -> None:
        self.last = -1
        self._base = time_base
        self._first: tuple[int | None, float] | None = None

    def of(self, stamp: int | None, at: float) -> int:
        """The ticks of a packet.

        Args:
            at: when it came, monotonic seconds.
        """
        if self._first is None:
            self._first = stamp, at
        first, begun_at = self._first
        came_s = at - begun_at
        if stamp is not None and first is not None and self._base is not None:
            seconds = float((stamp - first) * self._base)
            if seconds * _TICKS > self.last and abs(seconds - came_s) <= _APART_S:
                came_s = seconds
            else:
                self._base = None
        self.last = max(self.last + 1, round(came_s * _TICKS))
        return self.last
