"""Numbers, times and discontinuities of a camera's pictures, over all of its connections."""

from __future__ import annotations

from functools import partial

import av

from vidpipe.core.answer import How
from vidpipe.core.clock import Clock
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.picture import YuvPicture
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.decoding.normal import Normaliser
from vidpipe.sources.decoding.timeline import STEP_S
from vidpipe.sources.decoding.vectors import Vectors
from vidpipe.sources.view import View


class FrameStamper:
    """Makes frames of a camera's pictures.

    Every picture that came over the wire has a number, decoded or not. `pts` is seconds since the first picture by the
    clock of capture, and only grows: over a connection that was lost it tells how long nothing was seen.

    Attributes:
        seq: of the next picture.
        knobs: what frames carry.
        zero: when `pts` was 0, by the monotonic clock; None before the first picture.
    """

    def __init__(self, name: str, spec: StreamSpec, knobs: Knobs, resume: Resume | None, clock: Clock) -> None:
        self.seq = 0 if resume is None else resume.seq + 1
        self.knobs = knobs
        self._name = name
        self._clock = clock
        self._normal = Normaliser()
        self._view = View.of(spec)
        self._pts = -1.0 if resume is None else resume.pts
        self.zero = None if resume is None else self._zero_before(resume)
        self._size: tuple[int, int] | None = None
        self._discontinuity = 0
        self.break_off()

    def break_off(self) -> None:
        """What comes now does not go on from what came before."""
        self._discontinuity = max(
            self._discontinuity + 1, int(1000 * self._clock.utc())
        )  # also after a restart, unlike any before

    def frame(self, decoded: av.VideoFrame, at: float, vectors: Vectors | None = None) -> Frame:
        """The next picture, taken at `at` of the monotonic clock, with the vectors of its codec."""
        picture = self._normal(decoded)
        size = (picture.width, picture.height)
        if self._size not in (None, size):
            self.break_off()
        self._size = size
        hidden, visible = None, 1.0
        if self._view:
            picture, hidden, visible = self._view.apply(picture)
        seq, pts, captured_at = self._next(at)
        return Frame(
            self._name,
            seq,
            pts,
            YuvPicture(picture),
            *size,
            captured_at=captured_at,
            since=at,
            hidden=hidden,
            visible=visible,
            knobs=self.knobs,
            discontinuity=self._discontinuity,
            vectors=vectors and partial(vectors.motion, self._normal.turn, hidden),
        )

    def missing(self, at: float, how: How, reason: str) -> Missing:
        """The next picture, of which nothing will be seen."""
        seq, pts, captured_at = self._next(at)
        return Missing(self._name, seq, pts, how, reason, captured_at, at)

    def _next(self, at: float) -> tuple[int, float, float]:
        if self.zero is None:
            self.zero = at
        self._pts = max(at - self.zero, self._pts + STEP_S)
        seq = self.seq
        self.seq += 1
        return seq, self._pts, at + self._clock.offset()

    def _zero_before(self, resume: Resume) -> float | None:
        """When `pts` was 0 before a restart, by the monotonic clock of now."""
        if resume.captured_at is None:
            return self._clock.monotonic() - resume.pts
        return resume.captured_at - self._clock.offset() - resume.pts
