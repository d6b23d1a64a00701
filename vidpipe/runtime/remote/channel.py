"""Messages in order, each exactly once, however often the connection that carries them is cut.

Both sides number what they send and keep it until the other one says that it has it. On a new connection each begins
behind what the other one has. What is sent in a channel is never executed twice, so a cut costs time, and nothing else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from vidpipe.runtime.remote.values import MalformedError


class Channel:
    """One side of it; any thread may use it.

    Attributes:
        name: that both sides know it by.
        received: how many messages of the other side have come.
        wake: called when there is something to send.
    """

    def __init__(self, name: str, wake: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.received = 0
        self.wake = wake
        self._kept: deque[bytes] = deque()
        self._acknowledged = 0  # of those that were put: the first that is kept
        self._lock = threading.Lock()

    @property
    def acknowledged(self) -> int:
        """How many of this side's messages the other one has said that it has."""
        return self._acknowledged

    def put(self, body: bytes, number: Callable[[int], None] = lambda _: None) -> None:
        """Have a message sent behind those before it.

        Args:
            number: told its number before anybody else can know of it.
        """
        with self._lock:
            number(self._acknowledged + len(self._kept))
            self._kept.append(body)
        self.wake()

    def after(self, sent: int) -> bytes | None:
        """The message behind so many; None where there is none yet."""
        with self._lock:
            place = sent - self._acknowledged
            return self._kept[place] if 0 <= place < len(self._kept) else None

    def acknowledge(self, count: int) -> None:
        """The other side has so many; raises MalformedError where it cannot have."""
        with self._lock:
            if count > self._acknowledged + len(self._kept):
                raise MalformedError("the other side has messages that were never sent")
            while self._acknowledged < count:
                self._kept.popleft()
                self._acknowledged += 1

    def accept(self, number: int) -> bool:
        """Whether a message is the next one; False of one that came before. Raises MalformedError over a gap."""
        with self._lock:
            if number > self.received:
                raise MalformedError("a message is missing")
            is_next = number == self.received
            self.received += is_next
            return is_next
