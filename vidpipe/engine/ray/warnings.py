"""What vidpipe's loggers say in actors, brought to the driver: an actor's own output is seen by nobody."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import ray
from ray.exceptions import RayError

from vidpipe.engine.records import Said

MOST = 1000  # that wait; of more the oldest are lost
EVERY_S = 2.0  # how often those are asked who send no batches


class Warnings(logging.Handler):
    """Keeps what is logged, until it is fetched: the message alone, as what led to it may hold an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._waiting: deque[Said] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(Said(record.name, record.levelno, record.getMessage()))
        except Exception:
            self.handleError(record)

    def fetch(self) -> list[Said]:
        """What has been logged since the last time; from any thread."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


@cache
def kept() -> Warnings:
    """The warnings of this process, from the first time on that somebody asks for them."""
    warnings = Warnings()
    logging.getLogger("vidpipe").addHandler(warnings)
    return warnings


def repeat(said: Iterable[Said]) -> None:
    """Log here what was logged elsewhere."""
    for logger, level, message in said:
        logging.getLogger(logger).log(level, "%s", message)


class Ear:
    """Repeats what actors say that send no batches.

    Args:
        actors: have a method `said` each.
    """

    def __init__(self, actors: Sequence[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._actors = actors
        self._clock = clock
        self._asked_at = clock()
        self._asked: list[Any] = []

    def listen(self) -> None:
        """Never waits: ask now and then, and repeat what has been answered since."""
        if not self._asked and self._clock() - self._asked_at >= EVERY_S:
            self._asked_at = self._clock()
            self._asked = [actor.said.remote() for actor in self._actors]
        if self._asked:
            self._hear(0)

    def listen_once_more(self, patience_s: float) -> None:
        """What they have yet to say at the end, as far as they say it within this time."""
        self._asked += [actor.said.remote() for actor in self._actors]
        if self._asked:
            self._hear(patience_s)

    def _hear(self, patience_s: float) -> None:
        done, self._asked = ray.wait(self._asked, num_returns=len(self._asked), timeout=patience_s)
        for answered in done:
            try:
                repeat(ray.get(answered))
            except RayError:  # it died, and is started again
                continue
