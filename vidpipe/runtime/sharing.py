"""What the queries of a session share, and the part of it that one of them is given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.settings import Knobs
from vidpipe.models.runtimes import Network
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.models.shared_looks import SharedLooks
from vidpipe.sources.base import Resume, Source, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.shared import SharedSources


class Elsewhere(Protocol):
    """What queries share in other processes."""

    def begin(self) -> None:
        """See `Sharing.begin`."""
        ...

    def others(self, query: str) -> dict[str, list[str]]:
        """See `SharedSources.others`."""
        ...


E = TypeVar("E", bound=Elsewhere)


class Sharing:
    """Streams and networks that several queries have in common, in this process or, by their engines, in others.

    Args:
        clock: that sources go by.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self.sources = SharedSources(clock)
        self.looks = SharedLooks()
        self._lock = threading.Lock()
        self._elsewhere: Elsewhere | None = None

    def query(self, name: str) -> QueryShare:
        """What a query of that name goes by."""
        return QueryShare(self, name)

    def elsewhere(self, make: Callable[[], E]) -> E:
        """What queries share in other processes; the first that has something there makes it, for all."""
        with self._lock:
            if self._elsewhere is None:
                self._elsewhere = make()
            return self._elsewhere  # type: ignore[return-value]

    def begin(self) -> None:
        """All queries that begin together are open: let pictures come."""
        self.sources.go.set()
        if self._elsewhere is not None:
            self._elsewhere.begin()

    def others(self, query: str) -> dict[str, list[str]]:
        """By stream, which other queries take the same pictures as this one."""
        there = self._elsewhere.others(query) if self._elsewhere is not None else {}
        return self.sources.others(query) | there


class QueryShare:
    """The same as one query has it.

    Attributes:
        name: of the query.
    """

    def __init__(self, sharing: Sharing, name: str) -> None:
        self._sharing = sharing
        self.name = name
        self._others: dict[str, list[str]] = {}

    def expect(self, knobs: Mapping[str, Knobs]) -> None:
        """This query will open these streams, with these settings."""
        self._sharing.sources.expect(self.name, knobs)

    def source(
        self, name: str, spec: StreamSpec, *, knobs: Knobs, resume: Resume | None, ring: PacketRing | None
    ) -> Source:
        """See `SharedSources.open`."""
        return self._sharing.sources.open(self.name, name, spec, knobs=knobs, resume=resume, ring=ring)

    def network(self, file: NetworkFile) -> Network:
        """See `SharedLooks.open`."""
        return self._sharing.looks.open(self.name, file)

    def elsewhere(self, make: Callable[[], E]) -> E:
        """See `Sharing.elsewhere`."""
        return self._sharing.elsewhere(make)

    def leave(self) -> None:
        """The query has ended."""
        self._sharing.sources.leave(self.name)
        self._sharing.looks.leave(self.name)

    def hear(self) -> None:
        """Have it said who takes the same pictures, while there is somebody who knows."""
        self._others |= self._sharing.others(self.name)

    def told(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The report of the query, with who takes the same pictures, or took them when that was heard last."""
        others = self._others | self._sharing.others(self.name)
        streams = {name: {**told, "shared_with": others.get(name, [])} for name, told in report["streams"].items()}
        return {**report, "streams": streams}
