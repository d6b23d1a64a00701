"""The open streams of a process, for all of its queries: each is connected to and decoded once, where it can be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, Source, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.open import open_source
from vidpipe.sources.reading import Reading

log = logging.getLogger(__name__)


class SharedSources:
    """The open streams of a process, for all of its queries. Any thread may call it.

    Attributes:
        go: no picture is taken before it is set: by then every query that begins together is there.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self.go = threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._readings: dict[str, list[Reading]] = {}
        self._motion: dict[str, Knobs] = {}
        self._expected: dict[str, set[str]] = {}  # by stream, the queries that will open it

    def expect(self, query: str, knobs: Mapping[str, Knobs]) -> None:
        """A query with these settings will open these streams: a decoder is asked for all of it when it opens."""
        with self._lock:
            self._motion.update({stream: each for stream, each in knobs.items() if each.want_motion})
            for stream in knobs:
                self._expected.setdefault(stream, set()).add(query)

    def leave(self, query: str) -> None:
        """A query has ended: nobody waits for it."""
        with self._lock:
            for queries in self._expected.values():
                queries.discard(query)

    def open(
        self,
        query: str,
        name: str,
        spec: StreamSpec,
        *,
        knobs: Knobs,
        resume: Resume | None = None,
        ring: PacketRing | None = None,
    ) -> Source:
        """A stream for a query: that of others where it can be the same, else one of its own.

        Args:
            knobs: that its frames carry.
            resume, ring: as of `open_source`.

        Raises:
            SourceError: it cannot be read at all.
        """
        with self._lock:
            readings = [reading for reading in self._readings.get(name, ()) if not reading.over]
            self._readings[name] = readings
            whys = []
            for reading in readings:
                why = reading.why_not(spec, knobs, resume, ring)
                if why is None:
                    return reading.join(query, knobs, resume)
                whys.append(why)
            if whys:
                log.warning("query %s reads stream %s by itself: %s", query, name, whys[0])
            wanted = self._motion.get(name, knobs)
            source = open_source(name, spec, knobs=wanted, resume=resume, clock=self._clock, ring=ring)
            expected = frozenset(self._expected.get(name, ()))
            reading = Reading(source, spec, wanted.want_motion, resume, expected, self.go, self._clock)
            readings.append(reading)
            return reading.join(query, knobs, None)

    def others(self, query: str) -> dict[str, list[str]]:
        """By stream, which other queries take the same pictures as this one."""
        with self._lock:
            found = {}
            for stream, readings in self._readings.items():
                for reading in readings:
                    if query in reading.seen:
                        found[stream] = sorted(reading.seen - {query})
            return found
