"""Events as JSON lines, one object for each phase of each event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vidpipe.core.event import Event
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.sinks.lines import LinesSink


class EventsFile(LinesSink):
    """Writes events to a file, in the order in which results were published; see `LinesSink`."""

    what = "events"
    _run = ""

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open the file. Raises ConfigError."""
        self._run = provenance["start"]
        self.lines.begin()

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Results are for others."""

    def tell(self, events: Sequence[Event]) -> None:
        self.lines.write("".join([f"{json.dumps(as_json(event, self._run))}\n" for event in events]).encode())
