"""Events as lines of a file, JSON or CSV: one for each phase of each event."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vidpipe.core.clock import REAL, Clock
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
    append: bool = Field(
        default=False, description="go on behind what earlier runs have left, in place of putting it aside"
    )
    rotate_mb: float | None = Field(
        default=None, gt=0, description="size at which a new file is begun, and this one goes on as FILE.1, ..."
    )
    rotate_daily: bool = Field(default=False, description="the same at midnight, by the time of this machine")


class EventsFile(LinesSink):
    """Writes events to a file, in the order in which results were published; see `LinesSink`.

    A process that is killed leaves whole lines, and at most half of one behind them, which `append` cuts off.
    """

    what = "events"
    Config = EventsConfig
    config: EventsConfig = EventsConfig(path="")

    _run = ""
    _day = ""

    def __init__(
        self, path: Path | None = None, *, keep: bool = False, descriptor: int | None = None, clock: Clock = REAL
    ) -> None:
        super().__init__(path, keep=keep, descriptor=descriptor)
        self._clock = clock

    @property
    def append(self) -> bytes | None:
        if not self.config.append:
            return None
        return _HEAD if self._is_csv else f'{{"schema": "{SCHEMA}"'.encode()

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open the file. Raises ConfigError."""
        self._run = provenance["start"]
        path = Path(self.config.path)
        written_at = path.stat().st_mtime if self.config.append and path.is_file() else self._clock.utc()
        self._day = _day(written_at)
        self.lines.begin(_HEAD if self._is_csv else b"")
        self._turn_if_due()

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Results are for others."""

    def tell(self, events: Sequence[Event]) -> None:
        self._turn_if_due()
        told = [as_json(event, self._run) for event in events]
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

    def _turn_if_due(self) -> None:
        """Begin a new file where this one is full, or of another day."""
        config, today = self.config, _day(self._clock.utc())
        is_full = config.rotate_mb is not None and self.lines.size >= config.rotate_mb * 1e6
        if is_full or (config.rotate_daily and today != self._day):
            if self.lines.size > len(_HEAD if self._is_csv else b""):
                self.lines.turn()
            self._day = today


def _day(utc: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(utc))


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
