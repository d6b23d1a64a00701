"""The encoded pictures of a recording once more, with the media times that its frames have."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from vidpipe.sources.decoding.container import (
    ASSUMED_FPS,
    VideoPacket,
    believable_fps,
    has_one_time,
    open_container,
)
from vidpipe.sources.decoding.packets import Coding, Kept, cut
from vidpipe.sources.decoding.timeline import Timeline

_BEFORE_S = 1.0  # containers seek by decode time, which lies before presentation time
_MOST_OPEN = 64  # packets whose place in the order of showing is awaited


class FilePackets:
    """Where the encoded pictures of a file can be had again: in the file. For several threads, as each cut opens it.

    Args:
        path: of the file.
        origin: the stamp at which media time is 0.
        max_bytes: of the packets that one cut gives: what is behind is left out.

    Raises:
        SourceError: it cannot be opened.
    """

    lacking = "no key frame is there"
    note = ""
    newest = math.inf

    def __init__(self, path: Path, origin: int | None, max_bytes: int) -> None:
        self._path = path
        self._origin = origin
        self._max_bytes = max_bytes
        container, stream = open_container(path)
        with container:
            self.coding = Coding(stream)
            if container.format.name == "avi" and stream.codec_context.has_b_frames:
                self.coding.container = ""  # an AVI does not say when its B-frames are shown

    def keep_from(self, pts: float) -> None:
        """All of it stays there."""

    def close(self) -> None:
        """Nothing is open."""

    def between(self, begin: float, end: float) -> list[Kept]:
        """See `Packets`. Raises SourceError as well: the file is gone."""
        container, stream = open_container(self._path)
        with container:
            tick = stream.time_base or Fraction(1, av.time_base)
            by_dts = container.format.name == "avi"
            if begin > _BEFORE_S and has_one_time(container):
                container.seek((self._origin or 0) + int((begin - _BEFORE_S) / tick), stream=stream)
            timeline = Timeline(tick, 1 / (believable_fps(stream) or ASSUMED_FPS), self._origin)
            order = _Order(timeline, Fraction(1) / tick, by_dts=by_dts)
            return cut(self._read(container.demux(stream), order, begin, end), begin, end)

    def _read(self, demuxed: Iterable[VideoPacket], order: _Order, begin: float, end: float) -> list[Kept]:
        """From a key frame before `begin` on, in the order of decoding: each with its time, none without its turn."""
        packets: list[Kept] = []
        told, nbytes, newest = 0, 0, -math.inf
        for packet in demuxed:
            if not packet.size or packet.is_discard:
                continue
            packets.append(Kept(packet, self.coding))
            nbytes += packet.size
            for shown in order.after(packets[-1]):
                if shown.key and shown.pts is not None and shown.pts <= begin:
                    place = packets.index(shown)
                    nbytes -= sum(kept.packet.size for kept in packets[:place])
                    del packets[:place]
                    told = 0
            while told < len(packets) and (pts := packets[told].pts) is not None:
                told, newest = told + 1, max(newest, pts)
            if newest > end or nbytes > self._max_bytes:
                return packets[:told]
        deque(order.rest(), maxlen=0)
        return packets


class _Order:
    """Gives packets their media times, in the order in which they are shown."""

    def __init__(self, timeline: Timeline, second: Fraction, *, by_dts: bool) -> None:
        self._timeline = timeline
        self._second = float(second)
        self._by_dts = by_dts
        self._open: list[tuple[int, int, Kept]] = []
        self._count = 0
        self._last: int | None = None

    def after(self, kept: Kept) -> Iterator[Kept]:
        """Those whose turn has come once this one has been read."""
        packet: VideoPacket = kept.packet
        stamp = packet.dts if self._by_dts else packet.pts
        joined = packet.dts is not None and self._last is not None and packet.dts < self._last - self._second
        if joined or stamp is None:
            yield from self.rest()
        self._last = packet.dts if packet.dts is not None else self._last
        if stamp is None:
            yield self._told(kept, None)
            return
        self._count += 1
        heapq.heappush(self._open, (stamp, self._count, kept))
        while self._open and (
            (packet.dts is not None and self._open[0][0] <= packet.dts) or len(self._open) > _MOST_OPEN
        ):
            stamp, _, first = heapq.heappop(self._open)
            yield self._told(first, stamp)

    def rest(self) -> Iterator[Kept]:
        """Those that are left, where no more comes."""
        while self._open:
            stamp, _, first = heapq.heappop(self._open)
            yield self._told(first, stamp)

    def _told(self, kept: Kept, stamp: int | None) -> Kept:
        kept.pts = self._timeline.at(stamp)
        return kept
