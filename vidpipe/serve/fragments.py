"""What a camera sends, as fragmented MP4 for the Media Source Extensions of browsers: nothing is encoded again.

A fragment for each picture, so that one is shown as soon as it is there. Times are the media seconds that results have,
so that boxes are drawn over the very picture that they belong to.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from vidpipe.sources.decoding.packets import Coding, Kept, Packets

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_TICKS = 90_000  # a second
_FLAGS = {"movflags": "empty_moov+default_base_moof+frag_every_frame", "fflags": "flush_packets"}


class NoVideoError(Exception):
    """A browser cannot be shown what this camera sends; says why, for people."""


class Piece(NamedTuple):
    """Some of the file.

    Attributes:
        mp4: its next bytes.
        begins: where a file begins: `mime`, as browsers are asked whether they play it, and `base`, the media seconds
            of its first picture; None where it goes on.
    """

    mp4: bytes
    begins: dict[str, Any] | None


class Fragments:
    """The file that one viewer gets; it begins anew where what the camera sends does not go on.

    Args:
        packets: what the camera has sent of late; None: nobody keeps it.
    """

    def __init__(self, packets: Packets | None) -> None:
        self._packets = packets
        self._last: Kept | None = None
        self._file: _File | None = None

    def begin_anew(self) -> None:
        """Begin another file with the next piece, at the last key frame."""
        self._last = self._file = None

    def take(self) -> list[Piece]:
        """What has come since the last time; at first from the last key frame on.

        Raises:
            NoVideoError: browsers do not show what the camera sends.
        """
        if self._packets is None or self._packets.coding is None:
            raise NoVideoError("nothing is kept of what comes: clips (`media`) do so, of cameras without masks")
        pieces: list[Piece] = []
        for kept in self._fresh(self._packets):
            begins = None
            if self._file is None or kept.coding != self._file.coding:
                if not kept.key:
                    continue
                self._file = _File(kept)
                begins = {"mime": self._file.mime, "base": self._file.base}
            pieces.append(Piece(self._file.add(kept), begins))
            self._last = kept
        return pieces

    def _fresh(self, packets: Packets) -> list[Kept]:
        last = self._last
        kept = list(packets.between(packets.newest if last is None else last.pts or 0.0, math.inf))
        place = next((place for place, each in enumerate(kept) if each is last), None)
        if place is None:  # the beginning, or what came behind the last one is kept no more
            self.begin_anew()
            return list(packets.between(packets.newest, math.inf))
        return kept[place + 1 :]


class _File:
    def __init__(self, first: Kept) -> None:
        import av

        self.coding: Coding = first.coding
        self.mime = f'video/mp4; codecs="{_codec(first.coding)}"'
        self.base = first.pts or 0.0
        self._ticks = -1
        self._written = _Written()
        self._output: OutputContainer = av.open(self._written, "w", format="mp4", options=_FLAGS)
        self._stream: VideoStream = self._output.add_stream_from_template(first.coding.stream)

    def add(self, kept: Kept) -> bytes:
        """The next picture; of a fragment it becomes one with the next, which says how long it is shown."""
        from av.packet import Packet

        ticks = round(((kept.pts or 0.0) - self.base) * _TICKS)
        if ticks <= self._ticks:
            raise NoVideoError("the camera sends pictures in another order than that of showing them (B-frames)")
        packet = Packet(bytes(kept.packet))
        packet.stream = self._stream
        packet.time_base = Fraction(1, _TICKS)
        packet.pts = packet.dts = self._ticks = ticks
        packet.is_keyframe = kept.key
        self._output.mux(packet)
        return self._written.taken()


class _Written:
    """A file to write into that is emptied meanwhile."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def taken(self) -> bytes:
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


def _codec(coding: Coding) -> str:
    """The codec with its profile and level, as browsers are asked (RFC 6381)."""
    sets = coding.stream.codec_context.extradata or b""
    if coding.codec != "h264":
        raise NoVideoError(f"the camera sends {coding.codec}, and browsers play H.264")
    at = 1 if sets[:1] == b"\x01" else sets.find(b"\x00\x00\x01\x67") + 4  # of an MP4 file, or of what cameras send
    if len(sets) < at + 3 or at == 3:
        raise NoVideoError("the camera does not say how its H.264 is coded")
    return f"avc1.{sets[at : at + 3].hex()}"
