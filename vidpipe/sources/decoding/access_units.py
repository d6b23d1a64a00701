"""Pictures from the pieces that they are sent in, as soon as the last piece is there.

An RTP sender marks the last packet of a picture, but FFmpeg does not pass the mark on: its parser gives a picture out
when the next one begins, a whole period late. Here the end is recognised as FFmpeg's pieces let it: a piece shorter
than those that fill a packet ends a slice, and a stream has so many slices a picture. Only a piece with more of its
slice behind it is known to fill its packet: a slice that is sent whole in one packet may be a byte longer, for it has
no header of fragments (RFC 6184, 5.8). On some senders all this would be wrong, so it is held against what came next
for a while, and believed only where it has always been right on this very stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, cast

from av.packet import Packet

from vidpipe.sources.decoding.container import VideoPacket

CODECS = frozenset({"h264", "hevc"})

_START = b"\0\0\1"
_PROVED = 25  # pictures whose end was foreseen, before it is relied on; doubled with each mistake
_MOST_PROOF = 3000
_PICTURES = 50  # over which the number of slices is looked at
_MOST_BYTES = 8_000_000  # of one picture: what goes on for longer is none


class NalFragment(NamedTuple):
    """What came in one go.

    Attributes:
        data: from a start code on, or the continuation of a slice.
        at: when it came, by the monotonic clock.
        sender_utc: when the picture was taken by the sender's clock, if it tells.
    """

    data: bytes
    stamp: int | None
    at: float
    sender_utc: float | None


class AccessUnit(NamedTuple):
    """One encoded picture.

    Attributes:
        at: when its first piece came.
        spoilt: it may build on a picture that was given out before its end, by a mistake.
    """

    packet: VideoPacket
    at: float
    sender_utc: float | None
    spoilt: bool = False


class AccessUnitAssembler:
    """Puts the pieces of one stream together.

    Args:
        codec: one of `CODECS`.
    """

    def __init__(self, codec: str) -> None:
        self._hevc = codec == "hevc"
        self._pieces: list[NalFragment] = []
        self._bytes = 0
        self._slices = 0
        self._key = False
        self._foreseen = False
        self._given: int | None = None
        self._spoilt = False
        self._full = 0  # bytes of a piece that fills its packet, without start code and header
        self._filled = 0  # by the piece before
        self._slices_of: deque[int] = deque(maxlen=_PICTURES)
        self._proved, self._needed = 0, _PROVED

    def add(self, piece: NalFragment) -> Iterator[AccessUnit]:
        """The pictures that are complete with this piece: the one before, its own, or none yet."""
        if piece.stamp is not None and piece.stamp == self._given:
            if self._proved:  # not of the pieces that follow as well
                self._mistaken()
            self._spoilt = True
            return
        self._given = None
        if self._pieces and (piece.stamp != self._pieces[0].stamp or self._bytes > _MOST_BYTES):
            self._slices_of.append(self._slices)
            self._proved += self._foreseen
            yield self._unit()
        elif self._foreseen:
            self._mistaken()
        self._pieces.append(piece)
        self._bytes += len(piece.data)
        self._foreseen = self._is_last(piece.data)
        if self._foreseen and self._proved >= self._needed:
            self._given = piece.stamp
            self._slices_of.append(self._slices)
            yield self._unit()

    def _is_last(self, data: bytes) -> bool:
        """Whether a picture seems to end with this piece, which has been added."""
        filled = len(data)
        if data.startswith((b"\0" + _START, _START)):
            filled -= 4 + (2 if self._hevc else 1)
            self._look_into(data)
        elif len(self._pieces) > 1:
            self._full = max(self._full, self._filled)
        self._filled = filled
        return filled < self._full and self._slices >= max(self._slices_of, default=_PICTURES)

    def _look_into(self, data: bytes) -> None:
        """Count the slices that begin in a piece, and see whether they are of a key frame."""
        at = data.find(_START)
        while 0 <= at < len(data) - 5:
            kind = data[at + 3] >> 1 & 63 if self._hevc else data[at + 3] & 31
            self._slices += kind < 32 if self._hevc else kind in (1, 5)
            self._key |= 16 <= kind <= 21 if self._hevc else kind == 5 or (kind == 6 and data[at + 4] == 6)
            at = data.find(_START, at + 3)

    def _unit(self) -> AccessUnit:
        first = self._pieces[0]
        packet = cast(VideoPacket, Packet(b"".join([piece.data for piece in self._pieces])))
        packet.pts = packet.dts = first.stamp
        packet.is_keyframe = self._key
        self._pieces = []
        self._bytes = self._slices = 0
        self._spoilt = self._spoilt and not self._key
        self._key = self._foreseen = False
        return AccessUnit(packet, first.at, first.sender_utc, self._spoilt)

    def _mistaken(self) -> None:
        """A picture went on where its end had been foreseen."""
        self._proved, self._needed = 0, min(2 * self._needed, _MOST_PROOF)
        self._full = 0
        self._foreseen = False
