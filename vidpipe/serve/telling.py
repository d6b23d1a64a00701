"""Events of a run, told to whoever listens, also to one who was away for a while."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

KEPT = 1000
"""How many of the newest events wait for one who comes back."""


class Told(NamedTuple):
    """An event under its number, which counts up over the run."""

    number: int
    event: Mapping[str, Any]


class Telling:
    """The newest events. `tell` is for any thread, the rest for that of the page's server.

    Attributes:
        listeners: who waits for news; each is set when there is some.
    """

    def __init__(self) -> None:
        self.listeners: set[asyncio.Event] = set()
        self._mark = secrets.token_hex(4)  # numbers of another process mean nothing here
        self._kept: deque[Told] = deque(maxlen=KEPT)
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Wake listeners in this thread from now on."""
        self._loop = asyncio.get_running_loop()

    def tell(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take some events; where nobody listens that is all."""
        with self._lock:
            for event in events:
                self._count += 1
                self._kept.append(Told(self._count, event))
        if self.listeners and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for listener in self.listeners:
            listener.set()

    @property
    def newest(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._count

    def id_of(self, number: int) -> str:
        """What a listener names to go on behind that event."""
        return f"{self._mark}-{number}"

    def number_of(self, id: str) -> int | None:
        """The number that an id stands for; None where it is of another process, or no id."""
        mark, _, number = id.partition("-")
        return int(number) if mark == self._mark and number.isdecimal() and len(number) < 19 else None

    def since(self, number: int) -> tuple[list[Told], bool]:
        """The events behind one, and whether some between are kept no more."""
        with self._lock:
            oldest = self._count - len(self._kept)
            return [told for told in self._kept if told.number > number], number < oldest
