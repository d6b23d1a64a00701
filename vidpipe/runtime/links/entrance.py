"""Where frames come onto a link: as there is room for them, and packed as they cross."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vidpipe.cascade.cascade import Ticket
from vidpipe.core import traces
from vidpipe.pipeline.plan import Link
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.job import Job
from vidpipe.runtime.links.outside import Outside
from vidpipe.runtime.links.room import Room
from vidpipe.runtime.links.shared_memory import Slot
from vidpipe.runtime.transport.pace import Pace, Step
from vidpipe.runtime.transport.packing import Heads, packed
from vidpipe.runtime.transport.traffic import Traffic
from vidpipe.runtime.worker import Settings


class Place(NamedTuple):
    """What a frame was given on a link.

    Attributes:
        nbytes: that it takes, as far as is known before it is packed.
        slot: where its picture goes in memory that both ends have; None: it travels in the message.
        complete: as in `Downstream.ask`; then it takes credit.
    """

    nbytes: int
    slot: Slot | None
    complete: bool


class Entrance:
    """Lets frames onto a link. Its methods are called under the link's lock, `pack` aside.

    Args:
        weights: of the streams on a detour; they never wait here.
        settings: what a process goes by for a stream.
        pace: of a link that adapts.
        changed: the link's lock, which is let go while a frame waits for room.
        is_lost: whether nobody takes frames any more: then nobody waits either.
        heads: as of `packed`.
    """

    def __init__(
        self,
        link: Link,
        weights: Mapping[str, float],
        settings: Callable[[str], Settings],
        room: Room,
        traffic: Traffic,
        pace: Pace | None,
        changed: threading.Condition,
        is_lost: Callable[[], bool],
        heads: Heads | None = None,
    ) -> None:
        self._heads = heads
        self._link = link
        self._weights = weights
        self._settings = settings
        self._room = room
        self._traffic = traffic
        self._pace = pace
        self._own = Step(link.spec)
        self._outside = Outside(weights, room, traffic, pace)
        self._changed = changed
        self._is_lost = is_lost
        self._stopping = False

    @property
    def step(self) -> Step:
        """How pictures of streams on a detour are packed now."""
        return self._pace.step if self._pace else self._own

    @property
    def may_enter(self) -> bool:
        """Whether a frame that waits outside may come in."""
        return self._outside.may_enter(lost=self._is_lost())

    def enter(self, ticket: Ticket, pending: PendingResult, *, complete: bool) -> Place | None:
        """A place for a frame; where it is None, the frame waits outside, or is refused.

        One of a stream that waits for its answers waits here for credit, and no time counts as its crossing until it
        has some: it would keep a link that adapts from being what it is to the others.
        """
        nbytes = self._room.needed(ticket.frame)
        if ticket.frame.stream in self._weights:
            self._traffic.ask(pending, time.monotonic())
            if not self._outside.enters(ticket, pending, nbytes, lost=self._is_lost()):
                return None
        else:
            if complete:
                self._changed.wait_for(lambda: self._fits(nbytes) or self._stopping)
                if not self._fits(nbytes):
                    self._outside.refuse(pending)
                    return None
            self._traffic.ask(pending, time.monotonic())
        return Place(nbytes, self._room.take(nbytes, counted=complete), complete)

    def let_in(self) -> tuple[Ticket, PendingResult, Place]:
        """The next one of those outside; raises IndexError where none waits."""
        ticket, pending = self._outside.take()
        nbytes = self._room.needed(ticket.frame)
        return ticket, pending, Place(nbytes, self._room.take(nbytes, counted=True), complete=True)

    def pack(self, ticket: Ticket, pending: PendingResult, place: Place) -> Job:
        """The frame as it crosses; one that cannot be packed raises, and has given its place back."""
        frame = ticket.frame
        step = self.step if frame.stream in self._weights else self._own
        span = traces.begin(f"link {self._link.name}", frame.trace, time.monotonic()) if frame.trace else None
        try:
            memory = self._room.memory(place.slot)
            item = packed(ticket, self._link, step.spec, complete=place.complete, memory=memory, heads=self._heads)
        except Exception:
            with self._changed:
                self._traffic.forget(pending)
                self._room.give_back(place.nbytes, place.slot, counted=place.complete)
                self._changed.notify_all()
            raise
        if span is not None:
            item = item._replace(trace=span.trace)
            pending.completed.add_done_callback(lambda _: span.end(bytes=item.nbytes))
        with self._changed:
            if place.complete:
                self._room.correct(item.nbytes - place.nbytes)  # what a codec makes of it is known only now
            if self._pace:
                self._traffic.count(step.name)
                self._pace.packed(item.nbytes, step)
        settings = self._settings(item.stream)._replace(knobs=frame.knobs)
        return Job(item, settings, place.slot, pending)

    def stop(self) -> None:
        """Let those go who wait for credit: their frames are refused."""
        self._stopping = True
        self._changed.notify_all()

    def drain(self) -> list[PendingResult]:
        """All that waited outside; none does any more."""
        return self._outside.drain()

    def _fits(self, nbytes: int) -> bool:
        """Whether there is credit; where nobody will take the frame, nobody waits either."""
        return self._room.fits(nbytes) or self._is_lost()
