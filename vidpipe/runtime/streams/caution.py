"""What a process does that has died at one place before: pictures go through it one at a time, each told of before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vidpipe.results.outbox import Outbox

FRAMES = 64  # of a stream, until it goes on as usual


class Caution:
    """Shared by the streams of a process, so that it is known on which picture of which stream it died, if it dies.

    Args:
        outbox: to whoever must know.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._turn = threading.Lock()
        self._left = 0

    def begin(self, frames: int) -> None:
        """Be careful for so many pictures, of all streams together."""
        self._left = frames

    @property
    def is_on(self) -> bool:
        return self._left > 0

    @contextmanager
    def alone(self, stream: str, seq: int) -> Iterator[None]:
        """Within, a picture is asked and answered, and no other one; its answer has been received at the end."""
        with self._turn:
            self._outbox.asks(stream, seq)
            self._outbox.wait_until_received()
            yield
            self._outbox.wait_until_received()
            self._left -= 1
