"""Encoded pictures that are kept, by reference, so that a clip can be cut without encoding anything again."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from io import BytesIO
from itertools import chain, takewhile
from typing import Protocol

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from vidpipe.sources.decoding.container import VideoPacket

_RAW = {"h264": "h264", "hevc": "hevc"}  # FFmpeg's formats of a bare stream, by codec
_HEAD = 2048  # bytes of a key frame in which its parameter sets are looked for
_START = b"\0\0\1"
_CONTAINERS = {"mp4": ".mp4", "matroska": ".mkv"}  # in the order in which they are tried


class Coding:
    """How packets are coded: what a container must know of them. Packets of equal codings go into one file.

    Args:
        stream: FFmpeg's. What matters of it is copied; it may be closed afterwards.

    Attributes:
        codec: FFmpeg's name.
        stream: a copy, for `add_stream_from_template`.
        container: the first of FFmpeg's "mp4" and "matroska" that takes the codec; "" where neither does.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self.codec = context.name
        self._same = (self.codec, context.width, context.height, context.extradata)
        # PyAV copies the parameters of a stream only into another container's.
        self._nowhere = av.open(BytesIO(), "w", format="null")
        self.stream = self._nowhere.add_stream_from_template(stream)
        self.container = next((name for name in _CONTAINERS if self._goes_into(name)), "")

    @classmethod
    def of_key_frame(cls, codec: str, packet: bytes) -> Coding:
        """Of a key frame that holds its parameter sets, as a camera sends it.

        Raises:
            FFmpegError, ValueError: they cannot be read.
        """
        with av.open(BytesIO(packet), format=_RAW[codec]) as bare:
            (stream,) = bare.streams.video
            if not stream.codec_context.width:
                raise ValueError("it does not say how large it is")
            return cls(stream)

    @property
    def suffix(self) -> str:
        """Of a file that holds such packets."""
        return _CONTAINERS.get(self.container, "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Coding) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)

    def __str__(self) -> str:
        return f"{self.codec} {self._same[1]}x{self._same[2]}"

    def _goes_into(self, container: str) -> bool:
        # Rows of raw pixels, at hundreds of megabits a second, are no clip.
        if self.codec in ("rawvideo", "bitpacked", "v210"):
            return False
        output = av.open(BytesIO(), "w", format=container)
        try:
            output.add_stream_from_template(self.stream)
        except ValueError:
            return False
        return True


class Kept:
    """An encoded picture that is kept.

    Attributes:
        packet: FFmpeg's, which others may decode as well: never to be written into.
        pts: media seconds of its frame, as results have them; None until its turn to be shown has come.
        seq: number of its frame; None where that is not known yet, or never will be.
    """

    __slots__ = ("coding", "key", "packet", "pts", "seq")

    def __init__(self, packet: VideoPacket, coding: Coding, *, pts: float | None = None) -> None:
        self.packet = packet
        self.coding = coding
        self.key = packet.is_keyframe
        self.pts = pts
        self.seq: int | None = None

    def __repr__(self) -> str:
        return f"Kept(seq={self.seq}, pts={self.pts}, key={self.key})"


class Packets(Protocol):
    """Where a stream's encoded pictures can be had again."""

    @property
    def coding(self) -> Coding | None:
        """How the newest ones are coded; None where none has come."""
        ...

    @property
    def newest(self) -> float:
        """Media seconds up to which they are there, with all that they build on; infinite where all of them are."""
        ...

    @property
    def note(self) -> str:
        """How their times came about, where they are not those of the frames themselves; else ""."""
        ...

    @property
    def lacking(self) -> str:
        """Why there may be nothing, in a few words."""
        ...

    def keep_from(self, pts: float) -> None:
        """Keep what is needed from this media time on, as far as there is room; infinite: nothing is needed."""
        ...

    def between(self, begin: float, end: float) -> Sequence[Kept]:
        """In the order of decoding: from the last key frame at or before `begin`, or the first one there is, to `end`.

        Each has its media time. What builds on pictures before that key frame is left out.

        Raises:
            FFmpegError, OSError: they cannot be read again.
        """
        ...

    def close(self) -> None:
        """Nothing more is asked for."""
        ...


class PacketRing:
    """The newest encoded pictures of a camera, in groups from key frame to key frame; for several threads.

    Nothing is copied: it holds the packets that were demuxed for the decoder. A group is let go when it is older than
    anybody needs, or when there are too many bytes; one group that is too large by itself is let go as a whole.

    Args:
        seconds: how far back it reaches at least, room permitting.
        max_bytes: of all packets in it.

    Attributes:
        max_bytes: of all packets in it.
        lacking, note: see `Packets`.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self.lacking = "no key frame was there"
        self.note = ""
        self._seconds = seconds
        self.max_bytes = max_bytes
        self._groups: deque[list[Kept]] = deque()
        self._bytes = 0
        self._untold: deque[Kept] = deque()  # from the first on whose turn has not come
        self._newest = -math.inf
        self._needed = math.inf
        self._broken = True  # what comes does not go on from what is there
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    @property
    def nbytes(self) -> int:
        """Of all packets in it."""
        return self._bytes

    @property
    def coding(self) -> Coding | None:
        with self._lock:
            return self._groups[-1][-1].coding if self._groups else None

    @property
    def newest(self) -> float:
        return self._newest

    def break_off(self) -> None:
        """Nothing that comes builds on what is there: the next thing kept is a key frame.

        Of those whose turn has not come it never will, and what comes behind them may build on them.
        """
        with self._lock:
            self._broken = True
            if self._untold:
                lost = self._untold[0]
                while self._groups and (group := self._groups[-1]):
                    while group and group[-1] is not lost:
                        self._bytes -= group.pop().packet.size
                    if group:
                        self._bytes -= group.pop().packet.size
                        break
                    self._groups.pop()
                if self._groups and not self._groups[-1]:
                    self._groups.pop()
                self._untold.clear()

    def add(self, kept: Kept) -> None:
        """Take the next one, in the order of decoding; before the first key frame it is not kept."""
        with self._lock:
            if kept.key:
                self._groups.append([])
                self._broken = False
            elif self._broken:
                return
            self._groups[-1].append(kept)
            self._bytes += kept.packet.size
            self._untold.append(kept)
            self._mind()

    def tell(self, kept: Kept, seq: int, pts: float) -> None:
        """The turn of one that was added has come: these are number and media seconds of its frame."""
        with self._lock:
            kept.seq, kept.pts = seq, pts
            self._mind()

    def keep_from(self, pts: float) -> None:
        """See `Packets`."""
        with self._lock:
            self._needed = pts

    def between(self, begin: float, end: float) -> list[Kept]:
        """See `Packets`."""
        with self._lock:
            untold = self._untold[0] if self._untold else None
            kept = list(takewhile(lambda each: each is not untold, chain.from_iterable(self._groups)))
        return cut(kept, begin, end)

    def close(self) -> None:
        """See `Packets`: what is there goes with the ring."""

    def _mind(self) -> None:
        """Know what can be cut now, and let go of what nobody needs."""
        while self._untold and (pts := self._untold[0].pts) is not None:
            self._newest = max(self._newest, pts)
            self._untold.popleft()
        needed = min(self._newest - self._seconds, self._needed)
        while len(self._groups) > 1 and (self._bytes > self.max_bytes or _is_before(self._groups[1], needed)):
            self._let_go()
        if self._bytes > self.max_bytes:
            self._let_go()
            self._broken = True

    def _let_go(self) -> None:
        gone = self._groups.popleft()
        self._bytes -= sum(kept.packet.size for kept in gone)
        while self._untold and self._untold[0] in gone:
            self._untold.popleft()


class KeptConnection:
    """The packets of one connection on their way into a ring.

    Args:
        stream: FFmpeg's, of the connection.
    """

    def __init__(self, ring: PacketRing, stream: VideoStream) -> None:
        self._ring = ring
        self._codec = stream.codec_context.name
        self._sets = b""
        self._coding = Coding(stream)
        ring.break_off()

    def keep(self, packet: VideoPacket, pts: float | None = None) -> Kept:
        """Add the next packet. A key frame that brings other parameter sets begins another coding."""
        if packet.is_keyframe and self._codec in _RAW:
            self._mind_sets(packet)
        kept = Kept(packet, self._coding, pts=pts)
        self._ring.add(kept)
        return kept

    def _mind_sets(self, packet: VideoPacket) -> None:
        sets = parameter_sets(self._codec, bytes(memoryview(packet)[:_HEAD]))
        if not sets or sets == self._sets:
            return
        self._sets = sets
        try:
            coding = Coding.of_key_frame(self._codec, bytes(packet))
        except (FFmpegError, ValueError):
            return  # a damaged one; the connection has said how it is coded
        if coding != self._coding:
            self._coding = coding


def parameter_sets(codec: str, head: bytes) -> bytes:
    """The parameter sets at the beginning of a key frame; b"" where it holds none behind start codes."""
    sets, at = b"", head.find(_START)
    while 0 <= at < len(head) - 4:
        following = head.find(_START, at + 3)
        kind = head[at + 3] & 31 if codec == "h264" else head[at + 3] >> 1 & 63
        if kind in ((7, 8) if codec == "h264" else (32, 33, 34)):
            sets += head[at : following if following >= 0 else None]
        at = following
    return sets


def cut(kept: Sequence[Kept], begin: float, end: float) -> list[Kept]:
    """What `Packets.between` gives of these, which all have their times, in the order of decoding."""
    keys = [place for place, each in enumerate(kept) if each.key]
    if not keys:
        return []
    first = next((place for place in reversed(keys) if _time(kept[place]) <= begin), keys[0])
    from_key = _time(kept[first])
    last = max((place for place, each in enumerate(kept) if _time(each) <= end), default=-1)
    # What is shown behind the end because others build on it is shown without a gap before it.
    until = max((_time(each) for each in kept[first : last + 1]), default=end)
    last = max((place for place, each in enumerate(kept) if _time(each) <= until), default=-1)
    return [each for each in kept[first : last + 1] if _time(each) >= from_key]


def _time(kept: Kept) -> float:
    assert kept.pts is not None
    return kept.pts


def _is_before(group: Sequence[Kept], pts: float) -> bool:
    return group[0].pts is not None and group[0].pts <= pts
