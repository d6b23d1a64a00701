"""A device actor as the driver sees it: its streams, and which picture it dies on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from vidpipe.results.records import Batch, Position
from vidpipe.runtime.streams.caution import FRAMES

LAST_S = 4.0  # for streams to give their last answers where Ray is gone, but its actors are not
DEATHS = 3  # near one place, after which the picture that it died on last is not tried again


class Device:
    """A device actor and the streams that it has still to finish.

    Args:
        name: as messages and reports have it.
        site: that it belongs to; "": to none.
        below: the actors that its frames may come to.

    Attributes:
        away_since: when it died, or was started, by the monotonic clock.
        leaving: of these, the ones that were asked to end, also of an actor that was away and has not heard of it.
        joining: of these, the ones that begin when the actor is back.
    """

    def __init__(
        self, actor: Any, streams: Sequence[str], name: str = "device", site: str = "", below: Sequence[Any] = ()
    ) -> None:
        self.actor = actor
        self.streams = list(streams)
        self.name = name
        self.site = site
        self.below = below
        self.away_since = time.monotonic()
        self.leaving: set[str] = set()
        self.joining: dict[str, Position] = {}
        self._deaths = 0  # near one place
        self._died_at: Mapping[str, int] = {}
        self._asked: tuple[str, int] | None = None  # the picture that goes through it alone
        self._poison: defaultdict[str, set[int]] = defaultdict(set)

    def __str__(self) -> str:
        return f"{self.name if self.site else 'a device'} with {', '.join(self.streams) or 'no streams'}"

    def took(self, batch: Batch) -> None:
        """Mind what came from it."""
        self._asked = batch.asked or self._asked
        ended = {end.stream for end in batch.ended}
        self.streams = [stream for stream in self.streams if stream not in ended]
        self.leaving -= ended
        for stream in ended & self.joining.keys():
            del self.joining[stream]

    def died(self, positions: Mapping[str, Position], waiting: Collection[str] = ()) -> dict[str, Position]:
        """Where its streams go on, given where they stand now that it has died; some may have been waiting to begin.

        A second death near the first has it go carefully. Then it is known which picture it dies on; at the third death
        that one is given up, and no other.
        """
        self.away_since = time.monotonic()
        at = {stream: _next_seq(position) for stream, position in positions.items() if stream not in waiting}
        local = any(stream in self._died_at and seq - self._died_at[stream] <= FRAMES for stream, seq in at.items())
        self._deaths = self._deaths + 1 if local else 1
        careful = self._deaths > 1
        if self._asked is not None and at.get(self._asked[0]) == self._asked[1] and self._deaths >= DEATHS:
            self._poison[self._asked[0]].add(self._asked[1])
            self._deaths = 0
        self._died_at, self._asked = at, None
        return {
            stream: position._replace(poison=frozenset(self._poison[stream]), careful=careful and stream in at)
            for stream, position in positions.items()
        }


def last_batches(fetching: Mapping[Any, Device], fetch_s: float) -> list[Batch]:
    """End the streams of devices where Ray is gone and they are not; what they still answer, within seconds.

    Args:
        fetching: devices, by the call that fetches their next answers.
        fetch_s: how long a device holds an empty answer back.
    """
    batches: list[Batch] = []
    left = dict(fetching)
    for device in left.values():
        device.actor.stop.remote()
    until = time.monotonic() + LAST_S
    while left and (left_s := until - time.monotonic()) > 0:
        done, _ = ray.wait(list(left), num_returns=1, timeout=left_s)
        for reference in done:
            device = left.pop(reference)
            with suppress(RayError):
                batch: Batch = ray.get(reference)
                device.took(batch)
                batches.append(batch)
                if device.streams:
                    left[device.actor.take.remote(fetch_s)] = device
    return batches


def _next_seq(position: Position) -> int:
    return position.resume.seq + 1 if position.resume else 0
