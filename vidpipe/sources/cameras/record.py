"""A camera's packets in a file, as it sends them: nothing is decoded, nothing is encoded again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.decoding.access_units import CODECS

_TICKS = 90_000  # a second, of times in the file


def record(name: str, spec: StreamSpec, for_s: float, folder: Path, clock: Clock = REAL) -> Path:
    """Record one connection for a while, from its first key frame on; the file.

    Args:
        name: of the stream, for errors.
        folder: where the file goes.

    Raises:
        SourceError: the camera cannot be opened, sends no key frame, or breaks off before a second of it is there.
    """
    try:
        connection = Connection(spec, transport="udp" if spec.transport == "udp" else "tcp", clock=clock)
    except SourceError as error:
        raise SourceError(f"stream {name}: {error}") from None
    # MPEG-TS takes H.264 and H.265 as RTP brings them; what it does not know goes into Matroska.
    plain = connection.stream.codec_context.name in CODECS
    path = folder / ("camera.ts" if plain else "camera.mkv")
    begun_at: float | None = None
    last_at = 0.0
    try:
        with av.open(str(path), "w") as output:
            into = output.add_stream_from_template(connection.stream)
            for unit, at in connection.units():
                if begun_at is None and not unit.packet.is_keyframe:
                    continue
                begun_at = at if begun_at is None else begun_at
                if at - begun_at >= for_s:
                    break
                packet = unit.packet
                packet.stream = into
                packet.time_base = Fraction(1, _TICKS)
                packet.pts = packet.dts = round((at - begun_at) * _TICKS)
                output.mux(packet)
                last_at = at
    except SourceError as error:
        if begun_at is None or last_at - begun_at < 1.0:
            raise SourceError(f"stream {name}: {error}") from None
    finally:
        connection.close()
    return path
