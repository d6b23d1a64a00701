"""From a video file to pictures in presentation order; what cannot be decoded keeps its place."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.video.stream import VideoStream

from vidpipe.sources.decoding.container import (
    ASSUMED_FPS,
    VideoPacket,
    announced_seconds,
    believable_fps,
    open_container,
    prepare,
    recorded_at,
    why_damaged,
)
from vidpipe.sources.decoding.timeline import Timeline
from vidpipe.sources.decoding.vectors import VectorExport, Vectors, can_export

Decoded: TypeAlias = tuple[float, av.VideoFrame | str]
"""Media seconds, and the decoder's picture, or why there is none."""

_UNREADABLE = 50  # reads that fail in a row before a file is given up
_LONG_GROUP = 5000  # packets: a file without key frames is not gathered in memory
_ONE_TIME = {"avi", "matroska", "mov"}  # FFmpeg's names of formats
_UNSTAMPED = -(1 << 63)


class Reader:
    """One pass over a file's first video stream.

    Times come from the presentation stamps; in AVI from the decode stamps, the only ones that it stores (FFmpeg's guess
    at the others is wrong for B-frames). A picture counts as damaged where the decoder refuses it, or has patched it
    from its neighbours: boxes found in a patch would pass for measured. Pictures that build on a damaged one, and those
    that HEVC and VP9 patch without saying so, look whole to FFmpeg and come as such. That a packet is marked corrupt
    proves nothing: every joint between two whole .ts segments is.

    Attributes:
        fps, seconds, recorded_at: what the header says and can be believed, or None.
        notes: what was wrong with the file as a whole, known at the end.
        vectors: of the picture that came last; None: it has none, or nobody wants them.
        discarded: packets that the container itself leaves out of the presentation (edit lists).
    """

    def __init__(
        self, path: Path, *, threads: int, stop: threading.Event, origin: int | None = None, motion: bool = False
    ) -> None:
        """Open the file.

        Args:
            motion: whether anybody wants the vectors of its codec.
            threads: of the decoder (see `prepare`).
            stop: ends the iteration soon after it is set.
            origin: the stamp at which media time is 0; None: that of the first picture.

        Raises:
            SourceError: see `open_container`.
        """
        self._container, self.stream = open_container(path)
        self.fps = believable_fps(self.stream)
        self.seconds = announced_seconds(self._container, self.stream)
        self.recorded_at = recorded_at(self._container, self.stream)
        self.notes: list[str] = []
        self.discarded = 0
        tick = self.stream.time_base or Fraction(1, av.time_base)
        self.timeline = Timeline(tick, 1 / (self.fps or ASSUMED_FPS), origin)
        self._by_dts = self._container.format.name == "avi"
        self._stop = stop
        self._damaged = _Damaged()
        self._undecoded_before: int | None = None

        context = self.stream.codec_context
        prepare(context, threads)
        self.vectors: Vectors | None = None
        self._export = VectorExport(context, tick, by_dts=self._by_dts) if motion and can_export(context) else None

    def seek(self, pts: float) -> bool:
        """Begin at a key frame near a media time, before it if the container is good; False where it cannot be done.

        Only containers whose time cannot jump back are sought. In others, such as .ts, a time may stand in several
        places (joined recordings): they are read from the start, but not decoded, up to the key frame.
        """
        origin, tick = self.timeline.origin, self.stream.time_base
        if origin is None or tick is None:
            return False
        stamp = origin + int(pts / tick)
        if _ONE_TIME.isdisjoint(self._container.format.name.split(",")):
            self._undecoded_before = stamp
            return True
        try:
            self._container.seek(stamp, stream=self.stream)
        except FFmpegError:
            return False
        return True

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Decoded]:
        at, by_dts, damaged = self.timeline.at, self._by_dts, self._damaged
        for frames in self._batches():
            for frame in frames:
                stamp = frame.dts if by_dts else frame.pts
                self.vectors = self._export.came(frame) if self._export else None
                reason = ""
                if damaged:
                    for lost, why in damaged.before(stamp):
                        yield at(lost), why
                    reason = damaged.at(stamp)
                if frame.is_corrupt:
                    reason = reason or "damaged: patched by the decoder"
                yield at(stamp), reason or frame
        for lost, why in damaged.before(None):
            yield at(lost), why

    def _batches(self) -> Iterator[list[av.VideoFrame]]:
        """The pictures that come out of the decoder as each packet goes in, and those left in it at the end."""
        packets = self._packets()
        if self._undecoded_before is not None:
            packets = _from_key_frame(packets, self._undecoded_before)
        for packet in packets:
            if self._export:
                self._export.sent(packet)
            frames, error = _decode(self.stream, packet)
            if packet.is_discard:
                self.discarded += 1
            elif error:
                self._damaged.add(packet.dts if self._by_dts else packet.pts, error)
            yield frames
        if not self._stop.is_set():
            yield _decode(self.stream, None)[0]

    def _packets(self) -> Iterator[VideoPacket]:
        """All packets that hold something; half a packet at the very end is no picture and is left out."""
        half: VideoPacket | None = None
        for packet in self._demuxed():
            if self._stop.is_set():
                return
            if not packet.size:  # an empty chunk of an AVI shows the picture before it once more
                continue
            if half is not None:
                yield half
            half = packet if packet.is_corrupt else None
            if half is None:
                yield packet

    def _demuxed(self) -> Iterator[VideoPacket]:
        """All packets, over stretches that cannot be read."""
        failed = 0
        while failed < _UNREADABLE:
            try:
                for packet in self._container.demux(self.stream):
                    failed = 0
                    yield packet
                return
            except FFmpegError as error:
                failed += 1
                note = f"a stretch cannot be read: {error.strerror}"
                if note not in self.notes:
                    self.notes.append(note)


def _from_key_frame(packets: Iterator[VideoPacket], before: int) -> Iterator[VideoPacket]:
    """Packets from the last key frame before a stamp on, or before the first stamp that goes back."""
    group: list[VideoPacket] = []
    last: int | None = None
    for packet in packets:
        stamp = packet.dts
        enough = stamp is None or stamp >= before or (last is not None and stamp < last) or len(group) == _LONG_GROUP
        if packet.is_keyframe and not enough:
            group.clear()
        group.append(packet)
        if enough:
            break
        last = stamp
    yield from group
    yield from packets


def _decode(stream: VideoStream, packet: VideoPacket | None) -> tuple[list[av.VideoFrame], str]:
    """The pictures that come out, and what is wrong with the packet, or ""."""
    if packet is not None and (reason := why_damaged(packet, stream.codec_context)):
        return [], reason
    try:
        return stream.decode(packet), ""
    except EndOfFile:
        return [], ""
    except FFmpegError as error:
        return [], f"damaged: {error.strerror or error}"


class _Damaged:
    """Damaged packets until their turn in presentation order: an error is known before earlier pictures are out."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, stamp: int | None, reason: str) -> None:
        heapq.heappush(self._heap, (_UNSTAMPED if stamp is None else stamp, reason))

    def before(self, stamp: int | None) -> Iterator[tuple[int | None, str]]:
        """Those whose turn comes before a stamp, and all of them before None."""
        while self._heap and (stamp is None or self._heap[0][0] < stamp):
            lost, reason = heapq.heappop(self._heap)
            yield (None if lost == _UNSTAMPED else lost), reason

    def at(self, stamp: int | None) -> str:
        """What is wrong with the picture of this very stamp that the decoder gave all the same, or ""."""
        return heapq.heappop(self._heap)[1] if self._heap and self._heap[0][0] == stamp else ""
