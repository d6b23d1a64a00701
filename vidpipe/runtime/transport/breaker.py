"""Whether a link is used while its other end may be gone: a circuit breaker (Nygard, "Release It!", 2007).

    closed ── lost ──► open ── a probe is answered ──► half-open ── enough frames are answered ──► closed
                        ▲                                  │
                        └───────────── lost ───────────────┘

Pure decisions: it knows no clock, no thread and no network. Whoever uses it holds a lock, and tells what happens when.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from enum import StrEnum

FIRST_S = 0.1  # until the first probe: an actor that died may be there again within a second
LONGEST_S = 5.0  # between two probes
TRIAL = 8  # frames that must be answered before all are let through


class BreakerState(StrEnum):
    """Where a circuit breaker stands."""

    CLOSED = "closed"  # everything goes through
    OPEN = "open"  # nothing does but probes, one at a time
    HALF_OPEN = "half-open"  # a probe was answered: some frames go through


class Breaker:
    """Decides for one link, closed at first.

    Probes of an open link come after `first_s`, then after twice as long each time, up to `longest_s`. Each of these
    times is drawn between half of it and all of it, so that links which were lost together do not come back together.
    A half-open link begins with one frame at a time, and each answer allows one more beside it: what has just come back
    is not run over. Where it is lost again soon the times between probes go on from where they were.

    Args:
        draw: numbers from 0 up to 1.
        trial: frames that must be answered, one after the other or together, until it is closed.

    Attributes:
        opened_at: since when it has not been closed, by the caller's clock; None while it is.
        reason: why, for people; "" while it is closed.
    """

    def __init__(
        self,
        draw: Callable[[], float] = random.random,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        trial: int = TRIAL,
    ) -> None:
        self._draw = draw
        self._first_s = first_s
        self._longest_s = longest_s
        self._trial = trial
        self._state = BreakerState.CLOSED
        self._probes = 0  # since it was last steady
        self._probe_at = math.inf
        self._closed_at = -math.inf
        self._answered = self._under_way = 0  # frames of a half-open link
        self.opened_at: float | None = None
        self.reason = ""

    @property
    def state(self) -> BreakerState:
        """The state of the link."""
        return self._state

    @property
    def probe_at(self) -> float:
        """When the next probe is due; infinite while the link is not open, or a probe is under way."""
        return self._probe_at

    def away_s(self, now: float) -> float:
        """For how long it has not been closed; 0 while it is."""
        return 0.0 if self.opened_at is None else max(0.0, now - self.opened_at)

    @property
    def admits(self) -> bool:
        """Whether a frame would go through now."""
        return self._state is BreakerState.CLOSED or (
            self._state is BreakerState.HALF_OPEN and self._under_way <= self._answered
        )

    def admit(self) -> bool:
        """Whether a frame goes through. One that does is either `answered`, `withdrawn`, or reason to call `lost`."""
        if not self.admits:
            return False
        if self._state is BreakerState.HALF_OPEN:
            self._under_way += 1
        return True

    def answered(self, now: float) -> None:
        """A frame came back; one that was sent before the link was lost says nothing of it now."""
        if self._state is not BreakerState.HALF_OPEN or not self._under_way:
            return
        self._under_way -= 1
        self._answered += 1
        if self._answered >= self._trial:
            self._close(now)

    def withdrawn(self) -> None:
        """A frame that was admitted has not been sent."""
        self._under_way = max(0, self._under_way - 1)

    def lost(self, now: float, reason: str) -> None:
        """The other end does not answer. What was sent before the link was opened is not told again once it is
        half-open."""
        if self._state is BreakerState.OPEN:
            return
        if self._state is BreakerState.CLOSED:
            self.opened_at = now
            if now - self._closed_at > self._longest_s:
                self._probes = 0
        self._state, self.reason = BreakerState.OPEN, reason
        self._wait(now)

    def take_probe(self, now: float) -> bool:
        """Whether to send a probe now; until it is told what became of it, no other is due."""
        if now < self._probe_at:
            return False
        self._probe_at = math.inf
        return True

    def probe_failed(self, now: float, reason: str) -> None:
        """The probe was not answered."""
        if self._state is BreakerState.OPEN:
            self.reason = reason
            self._wait(now)

    def probe_answered(self) -> None:
        """The other end is there: frames may try it."""
        if self._state is BreakerState.OPEN:
            self._state, self._probe_at = BreakerState.HALF_OPEN, math.inf
            self._answered = self._under_way = 0

    def _wait(self, now: float) -> None:
        longest_s = min(self._longest_s, self._first_s * 2.0 ** min(self._probes, 60))
        self._probes += 1
        self._probe_at = now + longest_s * (0.5 + 0.5 * self._draw())

    def _close(self, now: float) -> None:
        self._state, self._closed_at = BreakerState.CLOSED, now
        self.opened_at, self.reason = None, ""
