"""What a cache holds, bounded in entries and bytes; what saves least goes first.

Greedy-Dual-Size-Frequency (Cherkasova 1998) with what a hit saves as cost, in the spirit of Cachier's expected latency:
an entry is worth uses * cost / bytes, on top of the worth of the last one that was evicted when it was used. So what
was used much, but long ago, ages.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Value = Mapping[str, NDArray[np.generic]]

_ROOM = 16  # one in so many entries goes at a time: making room costs a pass over all


@dataclass(slots=True)
class Entry:
    """A key [d] of length 1 and what was said of it.

    Attributes:
        cost: what a hit saves, in any unit.
        origin: the cache that learnt it; "" for this one.
    """

    key: NDArray[np.float32]
    value: Value
    cost: float = 1.0
    origin: str = ""
    uses: int = 1
    worth: float = 0.0

    @property
    def nbytes(self) -> int:
        return int(self.key.nbytes) + sum(array.nbytes for array in self.value.values())


class Store:
    """Entries by number; numbers count up and are never used again."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._entries: dict[int, Entry] = {}
        self._next = 0
        self._age = 0.0
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[int, Entry]]:
        return iter(self._entries.items())

    def get(self, number: int) -> Entry | None:
        return self._entries.get(number)

    def add(self, entry: Entry) -> tuple[int, list[int]]:
        """Its number, and those that were evicted for it (itself, where it alone is larger than all the room)."""
        number = self._next
        self._next += 1
        self._entries[number] = entry
        self.nbytes += entry.nbytes
        self._rate(entry)
        return number, self._evict()

    def use(self, number: int) -> None:
        """Count one more use of an entry."""
        entry = self._entries[number]
        entry.uses += 1
        self._rate(entry)

    def _rate(self, entry: Entry) -> None:
        entry.worth = self._age + entry.uses * entry.cost / entry.nbytes

    def _evict(self) -> list[int]:
        if len(self) <= self._most and self.nbytes <= self._most_bytes:
            return []
        goal = self._most - self._most // _ROOM
        evicted = []
        for number in heapq.nsmallest(len(self), self._entries, key=lambda number: self._entries[number].worth):
            if len(self) <= goal and self.nbytes <= self._most_bytes:
                break
            entry = self._entries.pop(number)
            self._age = entry.worth
            self.nbytes -= entry.nbytes
            evicted.append(number)
        return evicted
