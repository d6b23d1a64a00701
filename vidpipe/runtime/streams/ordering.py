"""When the answers of a stream are published and learnt: each in its turn, or as soon as something can be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from vidpipe.core.clock import Clock
from vidpipe.core.frame import Frame, Missing
from vidpipe.runtime.streams.stream_ticket import StreamTicket

PATIENCE_S = 0.4  # longest that a stream on a detour waits for an answer of its own tier

Item = StreamTicket | Missing


class Ordering(Protocol):
    """Says of a stream's open pictures, oldest first, when the oldest one is to be completed.

    Attributes:
        two_phase: stages below are told when they may learn from an answer (see `Downstream`).
        waits: every answer is waited for.
    """

    two_phase: bool
    waits: bool

    def has_room(self, open_: Sequence[Item], frame: Frame) -> bool:
        """Whether a frame may be asked beside those that are open; else the oldest is completed first."""
        ...

    def is_due(self, open_: Sequence[Item]) -> bool:
        """Whether the oldest is to be completed now; its answer may have to be waited for."""
        ...

    def due_at(self, open_: Sequence[Item]) -> float:
        """When the oldest is due though nothing comes, by the monotonic clock."""
        ...

    def local_until(self, ticket: StreamTicket) -> float | None:
        """How long an answer of its own tier is waited for; None: its answer is waited for, from however far."""
        ...


class InOrder:
    """Every answer is waited for, and learnt when its turn has come: a run is deterministic.

    What is open is bounded by this stream alone, so that nothing depends on how fast anybody is.

    Args:
        ahead: how many frames may be asked while one is open.
        two_phase: stages below learn.
        unordered: no stage learns, so that an answer may be completed as soon as it is there.
        hold_bytes: of pictures that are asked and not completed; beyond it the oldest is completed first.
    """

    waits = True

    def __init__(
        self, ahead: int = 0, *, two_phase: bool = False, unordered: bool = False, hold_bytes: float = math.inf
    ) -> None:
        self.two_phase = two_phase
        self._ahead = ahead
        self._unordered = unordered
        self._hold_bytes = hold_bytes

    def has_room(self, open_: Sequence[Item], frame: Frame) -> bool:
        if not self.two_phase:
            return True
        held = sum(item.held_bytes for item in open_ if isinstance(item, StreamTicket))
        return not held or held + frame.picture.nbytes <= self._hold_bytes

    def is_due(self, open_: Sequence[Item]) -> bool:
        oldest = open_[0]
        return len(open_) > self._ahead or (self._unordered and (isinstance(oldest, Missing) or oldest.is_answered()))

    def due_at(self, open_: Sequence[Item]) -> float:
        return math.inf

    def local_until(self, ticket: StreamTicket) -> float | None:
        return None


class Detour:
    """The best fallback of a frame is published where a slower tier has it; answers are learnt as they come.

    Args:
        live: pictures come at their own pace, and nothing else of the stream waits with the oldest one.
    """

    two_phase = False  # nobody could say how far ahead the stream was asked
    waits = False

    def __init__(self, clock: Clock, *, live: bool) -> None:
        self._clock = clock
        self._live = live

    def has_room(self, open_: Sequence[Item], frame: Frame) -> bool:
        return True

    def is_due(self, open_: Sequence[Item]) -> bool:
        oldest = open_[0]
        if not self._live or isinstance(oldest, Missing) or oldest.pending is None:
            return True
        return oldest.pending.local.done() or oldest.checks or self._clock.monotonic() >= self.local_until(oldest)

    def due_at(self, open_: Sequence[Item]) -> float:
        if not open_ or isinstance(open_[0], Missing):
            return math.inf
        return self.local_until(open_[0])

    def local_until(self, ticket: StreamTicket) -> float:
        return ticket.asked_at + PATIENCE_S
