"""Which streams know what from each other: live ones share one cache, and each recording has its own.

What a live stream finds depends on the clock anyway. A recording must be answered alike in each run, on each engine.
There frames of several streams come in an order of chance: what one of them has just learnt may be in the cache or not
when another asks. So a recording reuses what it has learnt itself and what was known when the run began.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import chain

from vidpipe.stages.cache.result_cache import ResultCache
from vidpipe.stages.cache.store import Entry

MOST_RECORDINGS = 64
"""That have a cache at a time; the one not asked for longest begins anew."""


class Caches:
    """The caches of one stage.

    Args:
        make: gives an empty cache.
        live: names of the streams that are live; others may come and go meanwhile.
    """

    def __init__(self, make: Callable[[], ResultCache], live: Container[str]) -> None:
        self._make = make
        self._live = live
        self._first: Sequence[Entry] = ()
        self._shared = make()
        self._recordings: OrderedDict[str, ResultCache] = OrderedDict()
        self._gone: Counter[str] = Counter()

    @property
    def length(self) -> int:
        """Of keys."""
        return self._shared.length

    @property
    def counts(self) -> Counter[str]:
        """What happened so far, in all caches together."""
        caches = (self._shared, *list(self._recordings.values()))
        return sum((cache.counts for cache in caches), Counter(self._gone))

    def of(self, stream: str) -> ResultCache:
        """The cache that answers a stream."""
        if stream in self._live:
            return self._shared
        cache = self._recordings.get(stream)
        if cache is None:
            cache = self._recordings[stream] = self._make()
            cache.take(self._first)
            if len(self._recordings) > MOST_RECORDINGS:
                self._gone += self._recordings.popitem(last=False)[1].counts
        self._recordings.move_to_end(stream)
        return cache

    def begin_with(self, entries: Sequence[Entry]) -> None:
        """What is known from the beginning, to every stream."""
        self._first = entries
        self._shared.take(entries)

    def take(self, entries: Sequence[Entry]) -> None:
        """What others have learnt meanwhile, for the live streams."""
        self._shared.take(entries)

    def own(self) -> list[Entry]:
        """What was learnt here, of each key once: the live streams' first, then by the names of the recordings."""
        caches = (self._shared, *(self._recordings[name] for name in sorted(self._recordings)))
        return list({entry.key.tobytes(): entry for entry in _own(caches)}.values())


def _own(caches: Sequence[ResultCache]) -> Iterator[Entry]:
    return chain.from_iterable(cache.own() for cache in caches)
