"""A worse network than there is: when a message would have arrived."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from queue import SimpleQueue

from vidpipe.pipeline.spec import ShaperSpec


class LinkEmulator:
    """Tells when each message of a link arrives, given its rates, delay, jitter, loss and outages.

    A message waits for those before it to be sent and never overtakes them; a lost transmission is sent again after
    `resend_ms`. All times are seconds on one clock that starts with the run.
    """

    def __init__(self, spec: ShaperSpec) -> None:
        self._spec = spec
        self._random = random.Random(spec.seed)
        self._free_s = 0.0
        self._arrived_s = 0.0

    def arrival_s(self, now_s: float, nbytes: int) -> float:
        """When a message of this size, ready to be sent now, has arrived as a whole."""
        spec = self._spec
        start = max(now_s, self._free_s)
        while self._random.random() < spec.loss:
            start += spec.resend_ms / 1000
        sent = self._after_outages(start)
        sent = self._after_outages(self._sent_s(sent, nbytes * 8 / 1e6))
        self._free_s = sent
        travel_s = (spec.delay_ms + self._random.random() * spec.jitter_ms) / 1000
        self._arrived_s = max(self._arrived_s, sent + travel_s)
        return self._arrived_s

    def _sent_s(self, at_s: float, megabits: float) -> float:
        """When the last of so many megabits has left, whose first one leaves at this time."""
        rates = [(0.0, self._spec.rate_mbps), *self._spec.trace]
        ends = [start_s for start_s, _ in rates[1:]] + [math.inf]
        for (_, mbps), end_s in zip(rates, ends, strict=True):
            if at_s >= end_s:
                continue
            if mbps is None or megabits <= (end_s - at_s) * mbps:
                return at_s + (megabits / mbps if mbps is not None else 0.0)
            megabits -= (end_s - at_s) * mbps
            at_s = end_s
        raise AssertionError("the last rate holds for ever")

    def _after_outages(self, at_s: float) -> float:
        for outage in sorted(self._spec.outages, key=lambda outage: outage.start_s):
            if outage.start_s <= at_s < outage.start_s + outage.for_s:
                at_s = outage.start_s + outage.for_s
        return at_s


class Travel:
    """What is on its way over an emulated link, in order."""

    def __init__(self, spec: ShaperSpec) -> None:
        self._emulator = LinkEmulator(spec)
        self._began = time.monotonic()
        self._under_way: SimpleQueue[tuple[float, Callable[[], None]]] = SimpleQueue()

    def depart(self, nbytes: int, arrive: Callable[[], None]) -> None:
        """Send so many bytes off; `arrive` is called by `deliver`."""
        self._under_way.put((self._emulator.arrival_s(time.monotonic() - self._began, nbytes), arrive))

    def deliver(self) -> None:
        """Wait until what was sent next has arrived, and call that."""
        arrival_s, arrive = self._under_way.get()
        time.sleep(max(0.0, self._began + arrival_s - time.monotonic()))
        arrive()


def depart(travel: Travel | None, nbytes: int, arrive: Callable[[], None]) -> None:
    """Call at once, or when a worse network would have brought so many bytes."""
    if travel is None:
        arrive()
    else:
        travel.depart(nbytes, arrive)
