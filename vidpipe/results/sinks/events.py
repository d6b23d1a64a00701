"""Events as lines of a file, JSON or CSV: one for each phase of each event."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vidpipe.core.event import Event
from vidpipe.results.events import FIELDS, SCHEMA, as_json
from vidpipe.results.records import Result
from vidpipe.results.sinks.lines import LinesConfig, LinesSink

_FIRST = ("schema", "id", "phase", "kind", "stream", "rule", "at", "seq", "pts", "by", "age_s")
COLUMNS = (*_FIRST, *FIELDS, "more")
"""Of a CSV file: the fields that all events have, and what else there is of one, as JSON."""


class EventsConfig(LinesConfig):
    format: Literal["jsonl", "csv"] | None = Field(
        default=None, description="default: csv for a file of that suffix, else jsonl"
    )


class EventsFile(LinesSink):
    """Writes events to a file, in the order in which results were published; see `LinesSink`.

    A process that is killed leaves whole lines, and at most half of one behind them, which `append` cuts off.
    """

    what = "events"
    Config = EventsConfig
    config: EventsConfig = EventsConfig(path="")

    _run = ""
    _query: Mapping[str, str] = {}  # of several

    @property
    def begins(self) -> bytes:
        return _HEAD if self._is_csv else f'{{"schema": "{SCHEMA}"'.encode()

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open the file. Raises ConfigError."""
        self.run(provenance)
        self._begin(provenance, _HEAD if self._is_csv else b"")

    def run(self, provenance: Mapping[str, Any]) -> None:
        """What comes from now on is of this run."""
        self._run = provenance["start"]
        self._query = {"query": provenance["query"]} if "query" in provenance else {}

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Results are for others."""

    def tell(self, events: Sequence[Event]) -> None:
        self._turn_if_due()
        told = [{**as_json(event, self._run), **self._query} for event in events]
        if self._is_csv:
            self.lines.write(_rows(_row(event) for event in told))
        else:
            self.lines.write("".join([f"{json.dumps(event)}\n" for event in told]).encode())

    def flush(self) -> Mapping[str, int]:
        """Have what was written outlive a loss of power."""
        self.lines.flush()
        return {}

    @property
    def _is_csv(self) -> bool:
        return (self.config.format or Path(self.config.path).suffix.lstrip(".")) == "csv"


def _row(event: Mapping[str, Any]) -> list[str]:
    more = {name: value for name, value in event.items() if name not in COLUMNS}
    values = [event[name] for name in COLUMNS[:-1]]
    return [_cell(value) for value in (*values, more or None)]


def _cell(value: Any) -> str:
    """A value without a line break, as rows must be whole lines; null is empty, lists and mappings are JSON."""
    if value is None:
        return ""
    return " ".join(value.splitlines()) if isinstance(value, str) else json.dumps(value)


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


_HEAD = _rows([COLUMNS])
