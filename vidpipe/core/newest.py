"""What waits for a thread: of each name the newest, in the order in which names came."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Newest(Generic[K, V]):
    """Where the thread that takes is slow, something newer takes the place of what waited under that name.

    So each name has its turn, however often others come. Under names of their own all things are taken, in order.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, V] = {}
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, name: K, item: V) -> None:
        """Have something taken, unless something newer comes before; nothing once it is closed."""
        with self._changed:
            if not self._closed:
                self._waiting[name] = item
                self._changed.notify()

    def take(self) -> V | None:
        """What waits for longest; waits for something. None: it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.pop(next(iter(self._waiting)))

    def close(self) -> None:
        """Let go of what waits, and of who takes."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
