"""A picture of a stream between its asking and its settling."""

from __future__ import annotations

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame, Missing
from vidpipe.runtime.downstream import LocalStatus, PendingResult


class Open:
    """A picture whose answer is not published yet, or is still to be learnt.

    Attributes:
        asked_at: by the monotonic clock; 0 where nobody below was asked.
        fallback: who has answered in place of those below.
    """

    __slots__ = ("asked_at", "fallback", "item", "pending", "ticket")

    def __init__(
        self,
        item: Frame | Missing,
        ticket: Ticket | None = None,
        pending: PendingResult | None = None,
        asked_at: float = 0.0,
    ) -> None:
        self.item = item
        self.ticket = ticket
        self.pending = pending
        self.fallback = ""
        self.asked_at = asked_at

    def is_answered(self) -> bool:
        return self.pending is None or self.pending.settled.done()

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
        return self.item.picture.nbytes if self.pending is not None and isinstance(self.item, Frame) else 0
