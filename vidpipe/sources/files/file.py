"""A video file as a source."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from functools import partial
from itertools import chain, dropwhile, islice
from pathlib import Path

import av

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.picture import YuvPicture
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamInfo, StreamSpec
from vidpipe.sources.decoding.normal import Normaliser
from vidpipe.sources.decoding.pictures import Lack, NoPicture
from vidpipe.sources.files.packets import FilePackets
from vidpipe.sources.files.reader import Decoded, Reader
from vidpipe.sources.view import View

SAME_S = 1e-6
"""Times nearer than this are one: they may have been through a text file."""

_SEEK_MARGIN_S = 1.0  # containers seek by decode time, which lies before presentation time


class FileSource:
    """The pictures of one video file, each once, in presentation order.

    `pts` is media time from the file's first picture, and only grows. `seq` counts from 0 at the first picture
    delivered, the first one at or behind `start_s`; what lies at `end_s` or behind is not delivered. A damaged picture
    comes as `Missing`, `Reader` says what counts as damaged; so does one that the spec leaves undecoded. Pictures are
    8-bit YUV 4:2:0, upright, hidden parts blank; that of a plain upright file without a mask is the decoder's own (no
    copy).

    Attributes:
        info: `frames` and `fps` as the header has them, so far as it can be believed.
        knobs: what frames carry; may be exchanged while iterating.
        notes: what was wrong with the file as a whole, such as "ended after 412 of 795 frames: truncated"; complete
            when the iteration has ended.
        broken_off: see `Source`.
    """

    def __init__(
        self,
        name: str,
        spec: StreamSpec,
        *,
        knobs: Knobs,
        resume: Resume | None = None,
        threads: int = 1,
        clock: Clock = REAL,
    ) -> None:
        """Open a file and decode its first picture.

        Args:
            spec: `url` is a path.
            resume: deliver what comes behind this picture of an earlier run with the same `start_s`.
            threads: of the decoder. Measured on 640x480 to 960x540 H.264 and MPEG-4, two gain nothing.

        Raises:
            SourceError: it is no video, has no picture that can be decoded, or the spec leaves nothing to see.
        """
        self.knobs = knobs
        self.notes: list[str] = []
        self.broken_off = ""
        self._path = Path(spec.url).expanduser()
        self._spec = spec
        self._end_s = math.inf if spec.end_s is None else spec.end_s
        self._resume = resume
        self._threads = threads
        self._clock = clock
        self._normal = Normaliser()
        self._view = View.of(spec)
        self._stop = threading.Event()
        self._begun = threading.Lock()  # taken by whoever comes first, the iteration or `close`

        if self._end_s <= spec.start_s:
            raise SourceError(f"{self._path}: end_s {spec.end_s:g} must be more than start_s {spec.start_s:g}")
        self._reader = self._open()
        self._recorded_at = self._reader.recorded_at
        self._decoded = iter(self._reader)
        self._head, first = self._first_picture()
        self.info = StreamInfo(
            name=name,
            width=first.width,
            height=first.height,
            fps=self._reader.fps,
            frames=self._expected(),
            codec=self._reader.stream.codec_context.name,
        )
        if self._view and not self._view.visible(first.width, first.height):
            self.close()
            raise SourceError(
                f"{self._path}: mask and regions of stream {name} hide the whole picture; leave a part open"
            )

    @property
    def health(self) -> None:
        """A recording has none."""

    def packets(self, max_bytes: int) -> FilePackets | None:
        """Its encoded pictures, to be read again from the file; None of what can be read only once.

        Args:
            max_bytes: of the packets that are taken at a time.
        """
        return FilePackets(self._path, self._reader.timeline.origin, max_bytes) if self._path.is_file() else None

    def close(self) -> None:
        """Ends the iteration after the packet at hand; may be called from any thread, and twice."""
        self._stop.set()
        if self._begun.acquire(blocking=False):
            self._reader.close()

    def __iter__(self) -> Iterator[Frame | Missing]:
        """The pictures; a source can be gone through once, and is closed afterwards."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            yield from self._pictures()
        finally:
            self._stop.set()
            self._reader.close()

    def _pictures(self) -> Iterator[Frame | Missing]:
        seq, decoded = self._start()
        pts, damaged, complete = 0.0, 0, False
        for pts, picture in decoded:
            if pts >= self._end_s:
                complete = True
                break
            if isinstance(picture, NoPicture):
                damaged += picture.lack is Lack.DAMAGED
                yield Missing(self.info.name, seq, pts, picture.lack.how, picture.reason)
            else:
                yield self._frame(seq, pts, picture)
            seq += 1
        if not self._stop.is_set():
            self._take_notes(came=seq, damaged=damaged, last_pts=math.inf if complete else pts)

    def _frame(self, seq: int, pts: float, decoded: av.VideoFrame) -> Frame:
        since = self._clock.monotonic()
        picture = self._normal(decoded)
        hidden, visible = None, 1.0
        if self._view:
            picture, hidden, visible = self._view.apply(picture)
        vectors = self._reader.vectors
        return Frame(
            self.info.name,
            seq,
            pts,
            YuvPicture(picture),
            picture.width,
            picture.height,
            captured_at=None if self._recorded_at is None else self._recorded_at + pts,
            since=since,
            hidden=hidden,
            visible=visible,
            knobs=self.knobs,
            vectors=vectors and partial(vectors.motion, self._normal.turn, hidden),
        )

    def _open(self, origin: int | None = None) -> Reader:
        return Reader(
            self._path,
            threads=self._threads,
            stop=self._stop,
            origin=origin,
            motion=self.knobs.want_motion,
            decoding=self._spec.decoding,
            preview=self._preview,
        )

    def _preview(self, decoded: av.VideoFrame) -> Image:
        """Of a picture as stages see it, its hidden parts blank."""
        picture = self._normal(decoded)
        if self._view:
            picture, _, _ = self._view.apply(picture)
        return Frame("", 0, 0.0, YuvPicture(picture), picture.width, picture.height).preview()

    def _first_picture(self) -> tuple[list[Decoded], av.VideoFrame]:
        """What comes up to the first picture that can be shown, and that picture as stages will see it."""
        head: list[Decoded] = []
        for item in self._decoded:
            head.append(item)
            if not isinstance(item[1], NoPicture):
                return head, self._normal(item[1])
        self.close()
        raise SourceError(f"{self._path} holds no picture that can be decoded; give another file")

    def _start(self) -> tuple[int, Iterator[Decoded]]:
        """The number of the next picture, and the pictures from it on."""
        seq = self._resume.seq + 1 if self._resume else 0
        sought = self._sought()
        if sought is not None:
            return seq, sought
        start_s = self._spec.start_s - SAME_S
        window = dropwhile(lambda item: item[0] < start_s, chain(self._head, self._decoded))
        return seq, islice(window, seq, None)

    def _sought(self) -> Iterator[Decoded] | None:
        """The pictures to deliver, by seeking; None where that is not worth it or cannot be exact."""
        after = self._resume.pts + SAME_S if self._resume else self._spec.start_s - SAME_S
        if after <= _SEEK_MARGIN_S or not self._path.is_file():  # what comes from a pipe comes once
            return None
        reader = self._open(self._reader.timeline.origin)
        decoded = iter(reader)
        landed = reader.seek(after - _SEEK_MARGIN_S)
        head = _behind(decoded, after, self._resume) if landed else None
        if head is None:
            reader.close()
            return None
        self._reader.close()
        self._reader = reader
        return chain(head, decoded)

    def _expected(self) -> int | None:
        """How many pictures the header promises between `start_s` and `end_s`."""
        reader = self._reader
        frames = reader.stream.frames or round((reader.seconds or 0.0) * (reader.fps or 0.0))
        if not frames or not reader.seconds:
            return frames or None
        window_s = min(self._end_s, reader.seconds) - self._spec.start_s
        return max(0, round(frames * window_s / reader.seconds))

    def _take_notes(self, *, came: int, damaged: int, last_pts: float) -> None:
        reader, expected = self._reader, self.info.frames
        self.notes += reader.notes
        if damaged:
            self.notes.append(f"{damaged} damaged picture" + "s" * (damaged > 1))
        if not came and self._spec.start_s:
            before = "" if self._spec.end_s is None else f" and before end_s {self._spec.end_s:g}"
            self._break_off(f"no picture lies at or behind start_s {self._spec.start_s:g}{before}")
            return
        if expected is None or came + reader.discarded >= expected - max(2, expected // 100):
            return
        counted = reader.stream.frames and not self._spec.start_s and self._spec.end_s is None
        announced_s = reader.seconds or 0.0
        if counted or last_pts < announced_s - 1 - announced_s / 100:  # an estimate alone is no proof
            self._break_off(f"ended after {came} of {expected} frames: truncated")

    def _break_off(self, why: str) -> None:
        self.notes.append(why)
        self.broken_off = why


def _behind(decoded: Iterator[Decoded], after: float, resume: Resume | None) -> list[Decoded] | None:
    """Go on to the first picture behind a time and return it, [] at the end of the file; None after a wrong landing.

    The landing is right if a whole key frame has come at or before the time, so that nothing builds on pictures before
    it, and with `resume`, if its very picture has.
    """
    key, met = False, resume is None
    for pts, picture in decoded:
        if pts > after:
            return [(pts, picture)] if key and met else None
        key = key or (not isinstance(picture, NoPicture) and picture.key_frame)
        met = met or (resume is not None and abs(pts - resume.pts) <= SAME_S)
    return [] if key and met else None
