"""Whether anybody is at the other end of a link, and whether frames that cannot wait are let through."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from vidpipe.cascade.cascade import Away, Completed
from vidpipe.core.answer import How
from vidpipe.core.clock import REAL, Clock
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.transport.breaker import Breaker, BreakerState


class Presence:
    """The circuit breaker of a link.

    Args:
        segment: what is at the other end.
        clock: by which it is away.
    """

    def __init__(self, segment: str, clock: Clock = REAL) -> None:
        self._segment = segment
        self._clock = clock
        self._lock = threading.RLock()
        self._breaker = Breaker()
        self._wanted = False

    @property
    def away(self) -> Away | None:
        """Who is away, and for how long; None where all frames are let through."""
        with self._lock:
            if self._breaker.state is BreakerState.CLOSED:
                return None
            return Away(self._segment, self._breaker.away_s(self._clock.monotonic()))

    @property
    def state(self) -> BreakerState:
        """Where the circuit breaker stands."""
        return self._breaker.state

    @property
    def is_away(self) -> bool:
        """Whether nobody is there, as far as is known."""
        return self._breaker.state is BreakerState.OPEN

    @property
    def keeps_out(self) -> Away | None:
        """Why a frame that cannot wait would not be let through now."""
        with self._lock:
            return None if self._breaker.admits else self.away

    def enter(self, pending: PendingResult) -> bool:
        """Let a frame through that cannot wait, or fail it at once; whether it is let through."""
        with self._lock:
            self._wanted = True
            if (away := self.keeps_out) is None:
                self._breaker.admit()
                if self._breaker.state is BreakerState.HALF_OPEN:
                    pending.completed.add_done_callback(self._tried)
                return True
        pending.complete(unanswered(str(away), away))
        return False

    def lost(self, reason: str) -> None:
        """Nobody answers."""
        with self._lock:
            self._breaker.lost(self._clock.monotonic(), reason)

    def wait(self, most_s: float) -> None:
        """Wait until the next probe is due, but not longer; none is where the other end has still to be met."""
        with self._lock:
            due_s = (
                self._breaker.probe_at - self._clock.monotonic() if self._breaker.state is BreakerState.OPEN else 0.0
            )
        time.sleep(max(0.0, min(due_s, most_s)))
        with self._lock:
            self._breaker.take_probe(self._clock.monotonic())

    def missed(self, reason: str) -> None:
        """A probe was not answered."""
        with self._lock:
            if self._breaker.state is BreakerState.OPEN:
                self._breaker.probe_failed(self._clock.monotonic(), reason)
            else:  # it has still to be met
                self._breaker.lost(self._clock.monotonic(), reason)

    def silent(self) -> None:
        """A probe is not answered for a while, and somebody would have a frame answered."""
        if self._wanted:
            self.lost("no answer")

    def met(self) -> None:
        """A probe was answered."""
        with self._lock:
            self._breaker.probe_answered()

    def _tried(self, done: Future[Completed]) -> None:
        with self._lock:
            if done.result().answer.how is How.DROPPED:
                self._breaker.withdrawn()  # a newer one has taken its place
            else:
                self._breaker.answered(self._clock.monotonic())


def unanswered(reason: str, away: Away | None) -> Completed:
    """What becomes of a frame that nobody is there to answer."""
    return Completed(failed(reason), away=away)
