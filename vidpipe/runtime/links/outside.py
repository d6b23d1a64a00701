"""Frames of streams on a detour, which never wait to be let in: newer ones take their place outside."""

from __future__ import annotations

from collections.abc import Mapping

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.clock import REAL, Clock
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.fair_queue import FairQueue
from vidpipe.runtime.links.room import Room
from vidpipe.runtime.transport.pace import Pace
from vidpipe.runtime.transport.traffic import Traffic

Waiting = tuple[Ticket, PendingResult]


class Outside:
    """What waits for room on a link. Not for several threads at once.

    Args:
        weights: of the streams on a detour.
        pace: of a link that adapts.
    """

    def __init__(
        self, weights: Mapping[str, float], room: Room, traffic: Traffic, pace: Pace | None, clock: Clock = REAL
    ) -> None:
        self._waiting: FairQueue[Waiting] = FairQueue(weights, lambda waiting: self.refuse(waiting[1]))
        self._room = room
        self._traffic = traffic
        self._pace = pace
        self._clock = clock

    def __len__(self) -> int:
        return len(self._waiting)

    def enters(self, ticket: Ticket, pending: PendingResult, nbytes: int, *, lost: bool) -> bool:
        """Whether a frame may go on at once; else it waits here, or is refused.

        Args:
            lost: nobody is there at the other end; nor does anybody wait then.
        """
        if self._pace and not self._pace.admits(ticket, self._clock.monotonic()):
            self.refuse(pending)
            return False
        if not self._waiting and (lost or self._has_room(nbytes)):
            return True
        self._waiting.put(ticket.frame.stream, (ticket, pending))
        return False

    def may_enter(self, *, lost: bool) -> bool:
        """Whether one that waits may go on."""
        return bool(self._waiting) and (lost or self._has_room(0))

    def take(self) -> Waiting:
        """The next one that may; raises IndexError where none waits."""
        return self._waiting.take()

    def drain(self) -> list[PendingResult]:
        """All that waited; none does any more."""
        drained = [self._waiting.take()[1] for _ in range(len(self._waiting))]
        for pending in drained:
            self._traffic.forget(pending)
        return drained

    def refuse(self, pending: PendingResult) -> None:
        """The frame does not cross."""
        self._traffic.forget(pending)
        pending.refuse()

    def _has_room(self, nbytes: int) -> bool:
        paced = self._pace is None or self._pace.fits(self._room.under_way, self._clock.monotonic())
        return paced and self._room.fits(nbytes)
