"""From a camera's packets to whole pictures: each packet that goes in comes out again, in presentation order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from vidpipe.core.answer import How
from vidpipe.sources.base import DECODE_ALL, Decoding
from vidpipe.sources.clock import Moment
from vidpipe.sources.decoding.container import VideoPacket, prepare, why_damaged
from vidpipe.sources.decoding.packets import Kept
from vidpipe.sources.decoding.references import References
from vidpipe.sources.decoding.vectors import VectorExport, Vectors, can_export

MOST_OPEN = 32  # packets whose pictures are awaited: more than any order of B-frames needs


class Taken(NamedTuple):
    """A packet, as far as it matters once it is decoded.

    Attributes:
        stamp: of presentation, in ticks; None where there is none.
        moment: when it was taken.
        size: in bytes.
        key: whether it is a key frame.
        told: its place in the stream has been given away; it is decoded only because others build on it.
        kept: the same packet where it is kept for clips; None: nobody wants it.
    """

    stamp: int | None
    moment: Moment
    size: int
    key: bool
    told: bool = False
    kept: Kept | None = None

    @property
    def at(self) -> float:
        """When it was taken, seconds of the monotonic clock, as is known now: ask when its turn to be shown comes."""
        return self.moment.at


class Lack(Enum):
    """Why a packet gives no picture."""

    DAMAGED = "damaged"
    BEHIND = "decoding cannot keep up"
    NO_KEY = "the key frame that it builds on has not come"
    NOT_WANTED = "it is left undecoded to save time"

    @property
    def how(self) -> How:
        """What the answer to such a picture is."""
        return How.DROPPED if self in (Lack.DAMAGED, Lack.BEHIND) else How.SKIPPED


class NoPicture(NamedTuple):
    """In place of a picture."""

    lack: Lack
    reason: str


NOT_DECODED = NoPicture(Lack.NOT_WANTED, "not decoded")


def damaged(reason: str) -> NoPicture:
    """In place of a picture that is not whole."""
    return NoPicture(Lack.DAMAGED, f"damaged: {reason}")


_NO_PICTURE = damaged("no picture")


class Decoded(NamedTuple):
    """What became of a packet: a picture with the vectors of its codec, or why there is none."""

    taken: Taken
    picture: av.VideoFrame | NoPicture
    vectors: Vectors | None = None


class PictureDecoder:
    """A decoder for one connection, of at most two threads (see `prepare`).

    Attributes:
        context: FFmpeg's decoder.
    """

    def __init__(
        self,
        context: VideoCodecContext,
        *,
        threads: int = 1,
        decoding: Decoding = DECODE_ALL,
        vector_tick: Fraction | None = None,
    ) -> None:
        """Set it up.

        Args:
            vector_tick: of the stream's stamps, if anybody wants the vectors of its codec; None: nobody does.
        """
        prepare(context, threads, skip_loop_filter=decoding.skip_loop_filter)
        self._export = VectorExport(context, vector_tick) if vector_tick and can_export(context) else None
        self.context = context
        self._references = References(context) if decoding.skip_frame == "nonref" else None
        self._open: list[tuple[int, int, Taken, NoPicture]] = []  # and why, if no picture comes of it
        self._count = 0

    def __call__(self, packet: VideoPacket, taken: Taken) -> Iterator[Decoded]:
        """The pictures that are complete now; what never comes out is told when its turn has passed."""
        if reason := why_damaged(packet, self.context):
            yield Decoded(taken, damaged(reason))
            return
        if self._references is not None and packet not in self._references:
            yield from self._opened(taken, NOT_DECODED, [])
            return
        if self._export:
            self._export.sent(packet)
        try:
            frames = self.context.decode(packet)
        except FFmpegError as error:
            yield Decoded(taken, damaged(error.strerror or str(error)))
            return
        yield from self._opened(taken, _NO_PICTURE, frames)

    def flush(self) -> Iterator[Decoded]:
        """What is still in the decoder; afterwards it begins anew, at a key frame."""
        try:
            frames = self.context.decode(None)
        except FFmpegError:
            frames = []
        yield from self._closed(frames)
        while self._open:
            yield self._given_up()
        self.context.flush_buffers()

    @property
    def is_empty(self) -> bool:
        """Whether every packet that went in has come out."""
        return not self._open

    def _opened(self, taken: Taken, otherwise: NoPicture, frames: list[av.VideoFrame]) -> Iterator[Decoded]:
        """What is complete once a packet has had its turn."""
        self._count += 1
        stamp = self._count if taken.stamp is None else taken.stamp
        heapq.heappush(self._open, (stamp, self._count, taken, otherwise))
        yield from self._closed(frames)
        while len(self._open) > MOST_OPEN:
            yield self._given_up()

    def _given_up(self) -> Decoded:
        _, _, taken, why = heapq.heappop(self._open)
        return Decoded(taken, why)

    def _closed(self, frames: list[av.VideoFrame]) -> Iterator[Decoded]:
        for frame in frames:
            vectors = self._export.came(frame) if self._export else None
            while self._open:
                stamp, _, taken, why = heapq.heappop(self._open)
                if taken.stamp is None or frame.pts is None or stamp >= frame.pts:
                    patched = damaged("patched by the decoder") if frame.is_corrupt else None
                    yield Decoded(taken, patched or frame, vectors)
                    break
                yield Decoded(taken, why)
