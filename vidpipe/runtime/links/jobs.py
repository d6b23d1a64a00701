"""The frames that are open on a link, from their asking until they are completed."""

from __future__ import annotations

import time
from collections.abc import Collection

from vidpipe.runtime.links.batching import Batching
from vidpipe.runtime.links.job import Job, Order


class Jobs:
    """The frames that are open on a link. Not for several threads at once.

    Args:
        batching: where those wait that have still to be sent.
    """

    def __init__(self, batching: Batching) -> None:
        self._open: set[Job] = set()
        self._held: dict[tuple[str, int], Job] = {}  # until an order to complete them comes
        self._batching = batching

    def __contains__(self, job: Job) -> bool:
        return job in self._open

    def add(self, job: Job) -> None:
        """Have it open, without sending it."""
        self._open.add(job)

    def send(self, job: Job) -> None:
        """Have it wait to be sent."""
        if not job.item.complete:
            self._held[job.frame] = job
        self._batching.put(job)

    def order(self, frame: tuple[str, int]) -> None:
        """Have an order wait; none where the actor died with the frame, which was completed when it was asked again."""
        if (job := self._held.pop(frame, None)) is not None:
            self._batching.put(Order(job, time.monotonic()))

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
        self._batching.drop_orders()
        return lost

    def given_up(self, streams: Collection[str] | None) -> list[Job]:
        """All that is open, of all streams or of these; it is sent no more."""
        jobs = [job for job in self._open if streams is None or job.item.stream in streams]
        self._batching.drop(jobs)
        for job in jobs:
            self._held.pop(job.frame, None)
        return jobs
