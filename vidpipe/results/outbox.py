"""Where the streams of one process put what leaves them, and the collector takes it from."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from vidpipe.core.event import Event
from vidpipe.results.records import Batch, Ended, LateAnswer, LateAudit, Result, ShadowAnswer, Snapshot


class Outbox:
    """Where the streams of one process put their answers, and the collector takes them from; bounded.

    A full outbox makes `publish` wait, and one that is held makes recordings wait: whoever takes too slowly slows a
    replay instead of filling the memory.

    Args:
        limit: how many answers may wait.
    """

    LIMIT = 2048
    LIMIT_PICTURES = 32  # where each brings its picture
    LINGER_S = 0.05  # how long the first answer waits for company: a call to fetch each alone would cost more than it

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._batch = Batch()
        self._changed = threading.Condition()
        self._takes = 0
        self._held = False
        self._awaited = 0  # who waits for what is there to be received
        self._closed = False

    def publish(self, record: Result, events: Sequence[Event] = (), *, live: bool = False) -> None:
        with self._changed:
            while not self._closed and (len(self._batch.published) >= self._limit or (self._held and not live)):
                self._changed.wait()
            self._batch.published.append(record)
            self._batch.events += events
            if len(self._batch.published) == 1:
                self._changed.notify_all()

    def audit(self, audit: LateAudit) -> None:
        with self._changed:
            self._batch.late_audits.append(audit)

    def late(self, answer: LateAnswer) -> None:
        with self._changed:
            self._batch.late_answers.append(answer)

    def shadow(self, answer: ShadowAnswer) -> None:
        with self._changed:
            self._batch.shadows.append(answer)
            self._changed.notify_all()

    def refused(self, stream: str) -> None:
        with self._changed:
            self._batch.refused[stream] += 1

    def reached_back(self, stream: str, counts: Counter[str]) -> None:
        with self._changed:
            self._batch.reached_back.setdefault(stream, Counter()).update(counts)

    def snapshot(self, snapshot: Snapshot) -> None:
        with self._changed:
            self._batch.snapshots.append(snapshot)

    def tell(self, events: Sequence[Event]) -> None:
        """Hand on events that come behind the last answer of their stream."""
        with self._changed:
            self._batch.events += events

    def ended(self, ended: Ended) -> None:
        with self._changed:
            self._batch.ended.append(ended)
            self._changed.notify_all()

    def asks(self, stream: str, seq: int) -> None:
        """Tell which picture is asked next."""
        with self._changed:
            self._batch.asked = stream, seq
            self._changed.notify_all()

    def wait_until_received(self) -> None:
        """Wait until the collector has all that was published: it asks for more only when it has got the last batch."""
        with self._changed:
            self._awaited += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._batch or self._closed)
            takes = self._takes
            self._changed.wait_for(lambda: self._takes > takes or self._closed)
            self._awaited -= 1

    def take(self, timeout_s: float, *, hold: bool = False) -> Batch:
        """What is there, as soon as there is something; an empty batch after `timeout_s`.

        Args:
            hold: let recordings wait with their next answers until somebody takes without.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._takes += 1
            self._held = hold
            self._changed.notify_all()
            while not self._batch and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._batch and not self._batch.ended and len(self._batch.published) < self._limit // 2:
                self._changed.wait_for(lambda: self._awaited, self.LINGER_S)
            batch, self._batch = self._batch, Batch()
            self._changed.notify_all()
            return batch

    def close(self) -> None:
        """Nobody will take any more: let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
