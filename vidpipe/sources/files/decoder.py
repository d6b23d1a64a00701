"""From packets of a file to its pictures; what gives none keeps its place until its turn."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import av
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from vidpipe.sources.base import Decoding
from vidpipe.sources.decoding.container import VideoPacket, prepare, why_damaged
from vidpipe.sources.decoding.pictures import NOT_DECODED, Lack, NoPicture, damaged
from vidpipe.sources.decoding.references import References
from vidpipe.sources.decoding.vectors import VectorExport

Stamped: TypeAlias = tuple[int | None, av.VideoFrame]
"""A picture with its stamp, in ticks; None where it has none."""

LONGEST = 5000
"""Packets of a group that are kept until it is known what becomes of it: a file may have no other key frame."""

_MOST_HELD_BYTES = 16_000_000  # of them
_UNSTAMPED = -(1 << 63)


class FileDecoder:
    """The decoder of a file.

    Args:
        by_dts: the stamps of pictures are the decode stamps of packets (AVI).
        export: follows the vectors of the codec, where anybody wants them.

    Attributes:
        lacking: packets that give no picture.
        discarded: how many the container itself leaves out of the presentation (edit lists).
        left_out: how many were not decoded, to save time.
    """

    def __init__(
        self,
        context: VideoCodecContext,
        decoding: Decoding,
        *,
        threads: int,
        by_dts: bool,
        export: VectorExport | None,
    ) -> None:
        prepare(context, threads, skip_loop_filter=decoding.skip_loop_filter)
        self.lacking = Lacking()
        self.discarded = self.left_out = 0
        self._context = context
        self._by_dts = by_dts
        self._export = export
        self._references = References(context) if decoding.skip_frame == "nonref" else None
        self._key: int | None = None  # stamp of the last key frame that went in
        self._first: int | None = None  # stamp of the first one, or of the first behind a joint
        self._rested = False  # it begins anew with the next key frame
        self._since: int | None = None  # stamp of the key frame with which it began anew; None: it never has

    def __call__(self, packet: VideoPacket) -> Iterator[list[Stamped]]:
        """The pictures that are complete once a packet has gone in, or was left out."""
        stamp = self.stamp(packet)
        if packet.is_keyframe:
            yield from self._begin_group(stamp)
            if self._rested:
                self._rested, self._since = False, stamp
        if not self._is_wanted(packet, stamp):
            self.leave_out(packet)
            return
        if self._export:
            self._export.sent(packet)
        frames, error = self._decode(packet)
        if packet.is_discard:
            self.discarded += 1
        elif error:
            self.lacking.add(stamp, damaged(error))
        yield frames

    def key_frame(self, group: Sequence[VideoPacket], picture: av.VideoFrame | None) -> Iterator[list[Stamped]]:
        """The same of a group that is left out but for its key frame.

        Args:
            picture: of the key frame, which another decoder has decoded by itself; None: that gave no whole one.
        """
        key, stamp = group[0], self.stamp(group[0])
        yield self.rest()
        yield from self._begin_group(stamp)
        if stamp is None and picture is not None and not key.is_discard:  # nobody knows what is shown before it
            yield [(stamp, picture)]
        for packet in group[1:]:
            self.leave_out(packet)
        if key.is_discard:
            self.discarded += 1
        elif picture is None:
            self.lacking.add(stamp, damaged("no whole picture"))
        elif stamp is not None:
            yield [(stamp, picture)]

    def leave_out(self, packet: VideoPacket) -> None:
        """Do not decode a packet."""
        if packet.is_discard:
            self.discarded += 1
        else:
            self.left_out += 1
            self.lacking.add(self.stamp(packet), NOT_DECODED)

    def rest(self) -> list[Stamped]:
        """The pictures that are still in the decoder; what comes next begins with a key frame."""
        if self._rested:
            return []
        frames, _ = self._decode(None)
        self._context.flush_buffers()
        self._rested = True
        return frames

    def end(self) -> list[Stamped]:
        """The pictures that are still in the decoder at the end of the file."""
        return self._decode(None)[0]

    def stamp(self, packet: VideoPacket) -> int | None:
        """Of the picture in a packet."""
        return packet.dts if self._by_dts else packet.pts

    def _begin_group(self, stamp: int | None) -> Iterator[list[Stamped]]:
        if self.left_out and stamp is not None and self._key is not None and stamp < self._key:
            # Another recording is joined to the first: what is left of that comes before this.
            yield self.rest()
            self.lacking.join()
            self._first = None
        self._key = stamp
        if self._first is None:
            self._first = stamp

    def _is_wanted(self, packet: VideoPacket, stamp: int | None) -> bool:
        if packet.is_keyframe or stamp is None or self._first is None:
            return True
        if self._since is not None and stamp < self._since:  # shown before the key frame, builds on what was left out
            return False
        if self._references is None or stamp < self._first:  # of those before the first whole picture FFmpeg decides
            return True
        return packet in self._references

    def _decode(self, packet: VideoPacket | None) -> tuple[list[Stamped], str]:
        """The pictures that come out, and what is wrong with the packet, or ""."""
        if packet is not None and (reason := why_damaged(packet, self._context)):
            return [], reason
        try:
            frames = self._context.decode(packet)
        except EndOfFile:
            return [], ""
        except FFmpegError as error:
            return [], error.strerror or str(error)
        return [(frame.dts if self._by_dts else frame.pts, frame) for frame in frames], ""


def group_of(key: VideoPacket, packets: Iterator[VideoPacket]) -> tuple[list[VideoPacket], VideoPacket | None]:
    """The packets from a key frame up to the next, and that; fewer where they are too many to keep."""
    group, held = [key], key.size
    for packet in packets:
        if packet.is_keyframe or len(group) == LONGEST or held > _MOST_HELD_BYTES:
            return group, packet
        group.append(packet)
        held += packet.size
    return group, None


class KeyDecoder:
    """Decodes key frames, each as if nothing had come before it.

    Args:
        context: that of the stream, opened for this purpose alone.
    """

    def __init__(self, context: VideoCodecContext, decoding: Decoding, *, threads: int) -> None:
        prepare(context, threads, skip_loop_filter=decoding.skip_loop_filter)
        self._context = context

    def __call__(self, packet: VideoPacket) -> av.VideoFrame | None:
        """The picture; None where the packet alone gives none that is whole."""
        if why_damaged(packet, self._context):
            return None
        try:
            frames = [*self._context.decode(packet), *self._context.decode(None)]
        except FFmpegError:
            frames = []
        self._context.flush_buffers()
        return frames[0] if frames and frames[0].key_frame and not frames[0].is_corrupt else None


class Lacking:
    """What gives no picture, until its turn in presentation order: that is known before earlier pictures are out."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, NoPicture]] = []  # part, stamp, which it is, why
        self._count = 0
        self._part = 0  # of several recordings joined to one: stamps of different parts cannot be compared

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, stamp: int | None, why: NoPicture) -> None:
        """Remember a packet that gives no picture."""
        self._count += 1
        heapq.heappush(self._heap, (self._part, _UNSTAMPED if stamp is None else stamp, self._count, why))

    def join(self) -> None:
        """Another recording begins, whose stamps say nothing about those before."""
        self._part += 1

    def before(self, stamp: int | None) -> Iterator[tuple[int | None, NoPicture]]:
        """Those whose turn comes before a stamp, and all of them before None."""
        while self._heap and (stamp is None or self._heap[0][:2] < (self._part, stamp)):
            _, lost, _, why = heapq.heappop(self._heap)
            yield (None if lost == _UNSTAMPED else lost), why

    def at(self, stamp: int | None) -> NoPicture | None:
        """What is wrong with the picture of this very stamp that the decoder gave all the same; None: nothing."""
        if self._heap and self._heap[0][:2] == (self._part, stamp) and self._heap[0][3].lack is Lack.DAMAGED:
            return heapq.heappop(self._heap)[3]
        return None
