"""The way down from a place of the cascade to the next one: a thread, a link, or nothing."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from vidpipe.cascade import Settled, Ticket


class Below(Protocol):
    """What a cascade hands its open frames to.

    A frame is settled in two steps, because stages below may learn from an answer, and when they do must not depend on
    how fast anybody is: first it is asked, and once the stream has been asked as far ahead as it may be, settled.
    """

    def ask(self, ticket: Ticket, *, settle: bool) -> Future[Settled]:
        """Hand an open frame down; may wait until there is room.

        Args:
            ticket: of the frame; it is read before this returns.
            settle: learning may follow as soon as there is an answer; otherwise `settle` will say when.

        Returns:
            The answer, when it is settled. It never raises: what goes wrong below comes as a `failed` answer.
        """
        ...

    def settle(self, stream: str, seq: int) -> None:
        """Let the stages below learn what became of this frame, which was asked with `settle=False`."""
        ...

    def has_room(self) -> bool:
        """Whether `ask` would go through without waiting."""
        ...
