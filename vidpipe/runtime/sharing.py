"""What the queries of one process share, and the part of it that one of them is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.settings import Knobs
from vidpipe.models.runtimes import Network
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.models.shared_looks import SharedLooks
from vidpipe.sources.base import Resume, Source, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.shared import SharedSources


class Sharing:
    """Streams and networks that several queries of this process have in common.

    Args:
        clock: that sources go by.
    """

    def __init__(self, clock: Clock = REAL) -> None:
        self.sources = SharedSources(clock)
        self.looks = SharedLooks()

    def query(self, name: str) -> QueryShare:
        """What a query of that name goes by."""
        return QueryShare(self, name)


class QueryShare:
    """The same as one query has it.

    Attributes:
        name: of the query.
    """

    def __init__(self, sharing: Sharing, name: str) -> None:
        self._sharing = sharing
        self.name = name

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

    def leave(self) -> None:
        """The query has ended."""
        self._sharing.sources.leave(self.name)
        self._sharing.looks.leave(self.name)

    def told(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The report of the query, with who takes the same pictures."""
        others = self._sharing.sources.others(self.name)
        streams = {name: {**told, "shared_with": others.get(name, [])} for name, told in report["streams"].items()}
        return {**report, "streams": streams}
