"""From a video file to pictures in presentation order; what cannot be decoded keeps its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer
from av.error import FFmpegError

from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Image
from vidpipe.sources.base import DECODE_ALL, Decoding
from vidpipe.sources.decoding.container import (
    ASSUMED_FPS,
    VideoPacket,
    announced_seconds,
    believable_fps,
    has_one_time,
    open_container,
    recorded_at,
)
from vidpipe.sources.decoding.pictures import NoPicture, damaged
from vidpipe.sources.decoding.timeline import Timeline
from vidpipe.sources.decoding.vectors import VectorExport, Vectors, can_export
from vidpipe.sources.files.decoder import LONGEST, FileDecoder, KeyDecoder, Stamped, group_of
from vidpipe.sources.files.resting import Resting

Decoded: TypeAlias = tuple[float, av.VideoFrame | NoPicture]
"""Media seconds, and the decoder's picture, or why there is none."""

_UNREADABLE = 50  # reads that fail in a row before a file is given up
_PATCHED = damaged("patched by the decoder")


class Reader:
    """One pass over a file's first video stream.

    Times come from the presentation stamps; in AVI from the decode stamps, the only ones that it stores (FFmpeg's guess
    at the others is wrong for B-frames). A picture counts as damaged where the decoder refuses it, or has patched it
    from its neighbours: boxes found in a patch would pass for measured. Pictures that build on a damaged one, and those
    that HEVC and VP9 patch without saying so, look whole to FFmpeg and come as such. That a packet is marked corrupt
    proves nothing: every joint between two whole .ts segments is.

    A picture that is left undecoded has the place and time that it would have, decoded. Of an AVI with B-frames every
    picture is decoded: which of them a packet holds nobody knows before. So is what comes before the first key frame.

    Attributes:
        fps, seconds, recorded_at: what the header says and can be believed, or None.
        notes: what was wrong with the file as a whole, known at the end.
        vectors: of the picture that came last; None: it has none, or nobody wants them.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        stop: threading.Event,
        origin: int | None = None,
        motion: bool = False,
        decoding: Decoding = DECODE_ALL,
        preview: Callable[[av.VideoFrame], Image] | None = None,
    ) -> None:
        """Open the file.

        Args:
            decoding: which pictures are decoded.
            preview: of a picture as stages see it, by which it is known to be still; None: whether it is is no matter.
            motion: whether anybody wants the vectors of its codec.
            threads: of the decoder (see `prepare`).
            stop: ends the iteration soon after it is set.
            origin: the stamp at which media time is 0; None: that of the first picture.

        Raises:
            SourceError: see `open_container`; or key frames alone are wanted of what can be opened only once.
        """
        if (decoding.skip_frame == "nokey" or decoding.max_blind_s) and not path.is_file():
            raise SourceError(f"{path} can be read only once: leave out skip_frame: nokey and max_blind_s")
        self._path, self._threads = path, threads
        self._container, self.stream = open_container(path)
        self.fps = believable_fps(self.stream)
        self.seconds = announced_seconds(self._container, self.stream)
        self.recorded_at = recorded_at(self._container, self.stream)
        self.notes: list[str] = []
        tick = self.stream.time_base or Fraction(1, av.time_base)
        self.timeline = Timeline(tick, 1 / (self.fps or ASSUMED_FPS), origin)
        self._by_dts = self._container.format.name == "avi"
        self._stop = stop
        self._undecoded_before: int | None = None

        context = self.stream.codec_context
        self.vectors: Vectors | None = None
        self._export = VectorExport(context, tick, by_dts=self._by_dts) if motion and can_export(context) else None
        if self._by_dts and context.has_b_frames and decoding != DECODE_ALL:
            decoding = Decoding(skip_loop_filter=decoding.skip_loop_filter)
            self.notes.append("every picture was decoded: an AVI does not say when its B-frames are shown")
        self._decoding, self._preview, self._tick = decoding, preview, tick
        self._decode = FileDecoder(context, decoding, threads=threads, by_dts=self._by_dts, export=self._export)
        self._key_container: InputContainer | None = None

    def seek(self, pts: float) -> bool:
        """Begin at a key frame near a media time, before it if the container is good; False where it cannot be done.

        Only containers whose time cannot jump back are sought. In others, such as .ts, a time may stand in several
        places (joined recordings): they are read from the start, but not decoded, up to the key frame.
        """
        origin, tick = self.timeline.origin, self.stream.time_base
        if origin is None or tick is None:
            return False
        stamp = origin + int(pts / tick)
        if not has_one_time(self._container):
            self._undecoded_before = stamp
            return True
        try:
            self._container.seek(stamp, stream=self.stream)
        except FFmpegError:
            return False
        return True

    def close(self) -> None:
        self._container.close()
        if self._key_container is not None:
            self._key_container.close()

    @property
    def discarded(self) -> int:
        """Packets that the container itself leaves out of the presentation (edit lists)."""
        return self._decode.discarded

    def __iter__(self) -> Iterator[Decoded]:
        at, lacking = self.timeline.at, self._decode.lacking
        for frames in self._batches():
            for stamp, frame in frames:
                self.vectors = self._export.came(frame) if self._export else None
                wrong: NoPicture | None = None
                if lacking:
                    for lost, why in lacking.before(stamp):
                        yield at(lost), why
                    wrong = lacking.at(stamp)
                if frame.is_corrupt:
                    wrong = wrong or _PATCHED
                yield at(stamp), wrong or frame
        for lost, why in lacking.before(None):
            yield at(lost), why

    def _batches(self) -> Iterator[list[Stamped]]:
        """The pictures that come out as packets go in or are left out, and those left in the decoder at the end."""
        packets = self._packets()
        if self._undecoded_before is not None:
            packets = _from_key_frame(packets, self._undecoded_before)
        if self._decoding.skip_frame == "nokey":
            yield from self._key_frames(packets)
        elif self._decoding.max_blind_s and self._preview:
            resting = Resting(self._decode, self._key_decoder, self._decoding.max_blind_s, self._tick, self._preview)
            yield from resting.batches(packets)
            self.notes += resting.notes
        else:
            for packet in packets:
                yield from self._decode(packet)
        if not self._stop.is_set():
            yield self._decode.end()

    def _key_frames(self, packets: Iterator[VideoPacket]) -> Iterator[list[Stamped]]:
        decode_key = self._key_decoder()
        packet = next(packets, None)
        while packet is not None:
            if packet.is_keyframe:
                group, packet = group_of(packet, packets)
                yield from self._decode.key_frame(group, decode_key(group[0]))
            else:
                self._decode.leave_out(packet)
                packet = next(packets, None)

    def _key_decoder(self) -> KeyDecoder:
        """A decoder of the same stream; only the container knows all that it must be told."""
        self._key_container, stream = open_container(self._path)
        return KeyDecoder(stream.codec_context, self._decoding, threads=self._threads)

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
        enough = stamp is None or stamp >= before or (last is not None and stamp < last) or len(group) == LONGEST
        if packet.is_keyframe and not enough:
            group.clear()
        group.append(packet)
        if enough:
            break
        last = stamp
    yield from group
    yield from packets
