"""What crosses a link to an actor: frames, and orders to settle them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vidpipe.cascade import Settled
from vidpipe.engine import wire
from vidpipe.engine.below import Reply
from vidpipe.engine.host import Settings
from vidpipe.engine.ray.arena import Slot


class SettleOrder(NamedTuple):
    """Tells the actor that a frame, asked earlier, may be learnt from; its answer comes with this."""

    stream: str
    seq: int


class Command(NamedTuple):
    """Tells the actor what to go by for a stream, from the next frame on that comes behind it."""

    stream: str
    settings: Settings


Message = Command | wire.WireFrame | tuple[wire.WireFrame, Slot] | SettleOrder
Answers = Mapping[tuple[str, int], Settled]


class Job:
    """A frame on the link, from its asking until it is settled.

    Attributes:
        settings: that it is treated with.
        counted: whether it takes credit; one that its stream holds open takes none.
        tries: how often it was sent.
    """

    __slots__ = ("counted", "item", "reply", "settings", "slot", "tries")

    def __init__(self, item: wire.WireFrame, settings: Settings, slot: Slot | None, reply: Reply) -> None:
        self.item = item
        self.settings = settings
        self.slot = slot
        self.reply = reply
        self.counted = item.settle
        self.tries = 0

    @property
    def frame(self) -> tuple[str, int]:
        return self.item.stream, self.item.seq

    def message(self, *, by_slot: bool) -> Message:
        """What travels: the frame without its pixels where these lie in memory that both sides have."""
        return (self.item.with_pixels(wire.ELSEWHERE), self.slot) if by_slot and self.slot else self.item


class Order(NamedTuple):
    """Lets a frame that was asked be settled."""

    job: Job

    def message(self, *, by_slot: bool) -> Message:
        return SettleOrder(*self.job.frame)


class Batch(NamedTuple):
    """What one call carries.

    Attributes:
        life: of the actor, in which it was put together.
    """

    entries: Sequence[Job | Order]
    life: int
