"""What crosses a link to an actor: frames, and orders to complete them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from vidpipe.cascade.cascade import Completed
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.shared_memory import Slot
from vidpipe.runtime.transport import codec
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


class Job:
    """A frame on the link, from its asking until it is completed.

    Attributes:
        settings: that it is treated with.
        counted: whether it takes credit; one that its stream holds open takes none.
        tries: how often it was sent.
    """

    __slots__ = ("counted", "item", "pending", "settings", "slot", "tries")

    def __init__(self, item: codec.PackedFrame, settings: Settings, slot: Slot | None, pending: PendingResult) -> None:
        self.item = item
        self.settings = settings
        self.slot = slot
        self.pending = pending
        self.counted = item.complete
        self.tries = 0

    @property
    def frame(self) -> tuple[str, int]:
        return self.item.stream, self.item.seq

    def message(self, *, by_slot: bool) -> Message:
        """What travels: the frame without its pixels where these lie in memory that both sides have."""
        return (self.item.with_pixels(codec.ELSEWHERE), self.slot) if by_slot and self.slot else self.item


class Order(NamedTuple):
    """Lets a frame that was asked be completed."""

    job: Job

    def message(self, *, by_slot: bool) -> Message:
        return CompleteOrder(*self.job.frame)


class Batch(NamedTuple):
    """What one call carries.

    Attributes:
        life: of the actor, in which it was put together.
    """

    entries: Sequence[Job | Order]
    life: int


class Jobs:
    """The frames that are open on a link, and what waits to be sent; under the lock of the link.

    Attributes:
        waiting: frames and orders, in order.
    """

    def __init__(self) -> None:
        self._open: set[Job] = set()
        self._held: dict[tuple[str, int], Job] = {}  # until an order to complete them comes
        self.waiting: deque[Job | Order] = deque()

    def __contains__(self, job: Job) -> bool:
        return job in self._open

    def add(self, job: Job) -> None:
        """Have it open, without sending it."""
        self._open.add(job)

    def send(self, job: Job) -> None:
        """Have it wait to be sent."""
        if not job.item.complete:
            self._held[job.frame] = job
        self.waiting.append(job)

    def order(self, frame: tuple[str, int]) -> None:
        """Have an order wait; none where the actor died with the frame, which was completed when it was asked again."""
        if (job := self._held.pop(frame, None)) is not None:
            self.waiting.append(Order(job))

    def take(self, most: int) -> list[Job | Order]:
        """What is sent next."""
        batch = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        for entry in batch:
            if isinstance(entry, Job):
                entry.tries = 1
        return batch

    def let_go(self, job: Job) -> None:
        """It is open no more."""
        self._open.discard(job)
        if self._held.get(job.frame) is job:
            del self._held[job.frame]

    def lost(self) -> list[Job]:
        """All that was sent and not answered, in order; their orders to complete may have died with the actor."""
        lost = sorted((job for job in self._open if job.tries), key=lambda job: job.frame)
        for job in lost:
            job.item = job.item._replace(complete=True)
            self._held.pop(job.frame, None)
        self.waiting = deque(e for e in self.waiting if not (isinstance(e, Order) and e.job.tries))
        return lost

    def given_up(self, streams: Collection[str] | None) -> list[Job]:
        """All that is open, of all streams or of these; it is sent no more."""
        jobs = [job for job in self._open if streams is None or job.item.stream in streams]
        gone = set(jobs)
        self.waiting = deque(e for e in self.waiting if (e.job if isinstance(e, Order) else e) not in gone)
        for job in jobs:
            self._held.pop(job.frame, None)
        return jobs
