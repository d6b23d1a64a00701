"""The result cache (Cachier, Shadow Puppets, FoggyCache): what was said of a thing like this one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.stages.cache.index import Index
from vidpipe.stages.cache.reuse import NEIGHBOURS, Radius, homogeneous
from vidpipe.stages.cache.store import Entry, Store, Value


class Found(NamedTuple):
    """The entry nearest to a key.

    Attributes:
        entry: its number; -1 where the cache is empty.
        distance: cosine distance.
        reuse: whether its answer may be reused.
        tells: whether its being right or wrong says something of the radius: not where the neighbours disagree.
    """

    entry: int
    distance: float
    reuse: bool
    tells: bool


NOTHING = Found(-1, 2.0, reuse=False, tells=False)


class ResultCache:
    """Values by likeness of their keys, bounded, with a reuse that agrees as often as wanted.

    Args:
        length: of keys.
        agree: whether two values mean the same.
        wanted: least share of reused values that agree with what the model would have said.
        most, most_bytes: bounds.

    Attributes:
        counts: what happened so far: lookups, hits, added, evicted, audited, agreed.
    """

    def __init__(
        self, length: int, agree: Callable[[Value, Value], bool], wanted: float, most: int, most_bytes: int
    ) -> None:
        self.length = length
        self.radius = Radius(wanted)
        self.counts: Counter[str] = Counter(
            dict.fromkeys(("lookups", "hits", "audited", "agreed", "added", "evicted"), 0)
        )
        self._agree = agree
        self._index = Index(length)
        self._store = Store(most, most_bytes)

    def __len__(self) -> int:
        return len(self._store)

    def look(self, key: NDArray[np.float32]) -> Found:
        """What is nearest to this key [length] of length 1."""
        self.counts["lookups"] += 1
        near = self._index.search(key, NEIGHBOURS)
        if not near:
            return NOTHING
        entry, distance = near[0]
        within = [number for number, far in near if far in self.radius]
        if not within:
            return Found(entry, distance, reuse=False, tells=True)
        agreed = homogeneous(self._numbers_agree, within)
        return Found(entry, distance, reuse=agreed, tells=agreed)

    def at(self, key: NDArray[np.float32], entry: int) -> Found:
        """How far a certain entry is; whether that is near enough is for the caller to say."""
        known = self._store.get(entry)
        return NOTHING if known is None else Found(entry, max(0.0, 1.0 - float(known.key @ key)), False, True)

    def value(self, entry: int) -> Value | None:
        """What an entry says; None where it is gone."""
        known = self._store.get(entry)
        return None if known is None else known.value

    def hit(self, entry: int) -> None:
        """An entry's value is reused."""
        self.counts["hits"] += 1
        self._store.use(entry)

    def judge(self, found: Found, truth: Value, radius: Radius | None = None) -> bool | None:
        """Learn from what the model says whether an entry would have been right; None where there is nothing to say."""
        value = self.value(found.entry)
        if value is None or not found.tells:
            return None
        agreed = self._agree(value, truth)
        (radius or self.radius).learn(found.distance, agreed)
        return agreed

    def audit(self, agreed: bool) -> None:
        """Count a hit that was checked."""
        self.counts["audited"] += 1
        self.counts["agreed"] += agreed

    def add(self, key: NDArray[np.float32], value: Value, cost: float = 1.0) -> int:
        """Keep a copy of a value under a key; gives the number of the entry."""
        self.counts["added"] += 1
        return self._keep(Entry(key, value, cost))

    def take(self, entries: Iterable[Entry]) -> None:
        """Keep copies of what was learnt elsewhere, or in an earlier run."""
        for entry in entries:
            self._keep(entry)

    def own(self) -> list[Entry]:
        """What this cache has learnt itself, oldest first."""
        return [entry for _, entry in self._store if not entry.origin]

    def _keep(self, entry: Entry) -> int:
        copied = {name: np.array(array) for name, array in entry.value.items()}
        kept = Entry(np.array(entry.key, np.float32), copied, entry.cost, entry.origin, entry.uses)
        number, evicted = self._store.add(kept)
        self._index.add(number, kept.key)
        self._index.remove(evicted)
        self.counts["evicted"] += len(evicted)
        return number

    def _numbers_agree(self, one: int, other: int) -> bool:
        values = self.value(one), self.value(other)
        return values[0] is not None and values[1] is not None and self._agree(values[0], values[1])
