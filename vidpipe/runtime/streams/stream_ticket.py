"""A frame of a stream, from its asking until its answer is published and learnt."""

from __future__ import annotations

import time

from vidpipe.cascade.cascade import Completed, Ticket
from vidpipe.core import traces
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.core.traces import Span
from vidpipe.results.records import Covered
from vidpipe.runtime.downstream import LocalStatus, PendingResult


class StreamTicket(Ticket):
    """What a stream knows of one of its frames.

    Attributes:
        asked_at: when the places below were asked, by the monotonic clock; 0 where they were not.
        pending: what they will say; None where they were not asked.
        fallback: what was published in its place.
        span: of the whole frame, until something is published for it; None where it is not traced.
    """

    __slots__ = ("asked_at", "fallback", "pending", "span")

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.asked_at = 0.0
        self.pending: PendingResult | None = None
        self.fallback: Answer | None = None
        self.span: Span | None = None

    def begin_trace(self) -> None:
        """Begin the trace of the frame: when its picture was taken, or decoded."""
        now = time.monotonic()
        since = self.frame.since or now
        self.span = traces.begin("frame", "", since)
        if self.span is not None:
            self.frame.trace = self.span.trace
            traces.note("source", self.frame.trace, since, now)

    def is_answered(self) -> bool:
        return self.pending is None or self.pending.completed.done()

    def is_refused(self) -> bool:
        return self.pending is not None and self.pending.is_refused()

    def local(self) -> LocalStatus | None:
        """What its own tier says of it; None as long as an answer is to be expected there."""
        if self.pending is None or not self.pending.local.done():
            return None
        return self.pending.local.result()

    @property
    def held_bytes(self) -> int:
        """What it takes on a link, if it was handed down."""
        return 0 if self.pending is None else self.frame.picture.nbytes

    @property
    def completed(self) -> Completed | None:
        """Its answer from below, if it was handed down and that is there."""
        return None if self.pending is None or not self.is_answered() else self.pending.completed.result()

    def why_covered(self, *, stopped: bool, crowded: bool) -> Covered:
        """Why something else is published in its place.

        Args:
            stopped: nobody waits any more.
            crowded: the frame before it was not looked at either.
        """
        if self.checks:
            return Covered.LATE  # the answer stands, whether somebody has time to check it or not
        if self.local() is None:
            return Covered.STOPPED if stopped else Covered.OVERLOADED
        return Covered.OVERLOADED if crowded or self.is_refused() else Covered.LATE
