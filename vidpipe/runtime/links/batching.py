"""What waits to be sent on a link, and how long it may wait for others to fill a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.links.job import Batch, Job, Order
from vidpipe.runtime.transport.traffic import Traffic


class Batching:
    """Frames and orders in the order in which they leave. Not for several threads at once."""

    def __init__(self, spec: LinkSpec, traffic: Traffic) -> None:
        self._most = spec.batch_frames
        self._most_s = spec.batch_ms / 1000
        self._traffic = traffic
        self._waiting: deque[Job | Order] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, entry: Job | Order) -> None:
        """Have it wait."""
        self._waiting.append(entry)

    def is_full(self) -> bool:
        """Whether a batch is."""
        return len(self._waiting) >= self._most

    def left_s(self, now_s: float) -> float:
        """How long the first may wait for others: counted from when it came, and no longer than the call that it saves
        would take."""
        if not self._waiting:
            return 0.0
        return max(self._waiting[0].since_s + min(self._most_s, self._traffic.call_s) - now_s, 0.0)

    def take(self, life: int) -> Batch | None:
        """The next batch; None where nothing waits."""
        if not self._waiting:
            return None
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        for entry in batch:
            if isinstance(entry, Job):
                entry.tries = 1
        return Batch(batch, life)

    def drop_orders(self) -> None:
        """Orders for frames that were sent are not needed: these are asked anew."""
        self._waiting = deque(e for e in self._waiting if not (isinstance(e, Order) and e.job.tries))

    def drop(self, jobs: Collection[Job]) -> None:
        """These wait no more, nor do orders for them."""
        gone = set(jobs)
        self._waiting = deque(e for e in self._waiting if (e.job if isinstance(e, Order) else e) not in gone)
