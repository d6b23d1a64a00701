"""What crosses a link to an actor: frames, and orders to complete them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vidpipe.cascade.cascade import Completed
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.shared_memory import Slot
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.traffic import Sent
from vidpipe.runtime.worker import Settings


class CompleteOrder(NamedTuple):
    """Tells the actor that a frame, asked earlier, may be learnt from; its answer comes with this."""

    stream: str
    seq: int


class Command(NamedTuple):
    """Tells the actor what to go by for a stream, from the next frame on that comes behind it."""

    stream: str
    settings: Settings


Message = Command | codec.PackedFrame | tuple[codec.PackedFrame, Slot] | CompleteOrder
Answers = Mapping[tuple[str, int], Completed]


class Handled(NamedTuple):
    """What a call returns.

    Attributes:
        held_s: for how long the other end had it, so that the rest is what it took to cross.
    """

    answers: Answers
    held_s: float


class Job:
    """A frame on the link, from its asking until it is completed.

    Attributes:
        settings: that it is treated with.
        counted: whether it takes credit; one that its stream holds open takes none.
        tries: how often it was sent.
        since_s: when it came to wait, by the monotonic clock.
    """

    __slots__ = ("counted", "item", "pending", "settings", "since_s", "slot", "tries")

    def __init__(self, item: codec.PackedFrame, settings: Settings, slot: Slot | None, pending: PendingResult) -> None:
        self.item = item
        self.settings = settings
        self.slot = slot
        self.pending = pending
        self.counted = item.complete
        self.tries = 0
        self.since_s = time.monotonic()

    @property
    def frame(self) -> tuple[str, int]:
        return self.item.stream, self.item.seq

    def message(self, *, by_slot: bool) -> Message:
        """What travels: the frame without its pixels where these lie in memory that both sides have."""
        return (self.item.with_pixels(codec.ELSEWHERE), self.slot) if by_slot and self.slot else self.item


class Order(NamedTuple):
    """Lets a frame that was asked be completed; `since_s`: when it came to wait."""

    job: Job
    since_s: float

    def message(self, *, by_slot: bool) -> Message:
        return CompleteOrder(*self.job.frame)


class Batch(NamedTuple):
    """What one call carries.

    Attributes:
        life: of the actor, in which it was put together.
        sent: as it is measured; None of what is sent again.
    """

    entries: Sequence[Job | Order]
    life: int
    sent: Sent | None = None

    @property
    def jobs(self) -> list[Job]:
        """Its frames."""
        return [entry for entry in self.entries if isinstance(entry, Job)]

    @property
    def awaited(self) -> list[Job]:
        """Frames whose answers its call brings."""
        completed = [entry.job for entry in self.entries if isinstance(entry, Order)]
        return completed + [job for job in self.jobs if job.item.complete]
