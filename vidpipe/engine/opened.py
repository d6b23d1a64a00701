"""A picture of a stream between its asking and its settling."""

from __future__ import annotations

import time

from vidpipe.cascade import Ticket
from vidpipe.engine.below import Near, Reply
from vidpipe.frame import Frame, Missing


class Open:
    """A picture whose answer is not published yet, or is still to be learnt.

    Attributes:
        cover: who has answered in place of those below.
    """

    __slots__ = ("asked_at", "cover", "item", "reply", "ticket")

    def __init__(self, item: Frame | Missing, ticket: Ticket | None = None, reply: Reply | None = None) -> None:
        self.item = item
        self.ticket = ticket
        self.reply = reply
        self.cover = ""
        self.asked_at = time.monotonic() if reply is not None else 0.0

    def is_answered(self) -> bool:
        return self.reply is None or self.reply.settled.done()

    def is_refused(self) -> bool:
        return self.reply is not None and self.reply.is_refused()

    def near(self) -> Near | None:
        """What its own tier says of it; None as long as an answer is to be expected there."""
        if self.reply is None or not self.reply.near.done():
            return None
        return self.reply.near.result()

    @property
    def held_bytes(self) -> int:
        """What it takes on a link, if it was handed down."""
        return self.item.picture.nbytes if self.reply is not None and isinstance(self.item, Frame) else 0
