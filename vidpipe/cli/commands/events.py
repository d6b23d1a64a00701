"""`vidpipe events` and `vidpipe counts`: what a store says."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidpipe.cli.moments import moment
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.rows import Form, end_quietly, local, plain, print_csv, print_json, print_table
from vidpipe.core.errors import ConfigError
from vidpipe.results.store.queries import Row, Store

SHOWN = 100  # events in a table, where no other number is asked for
ALIKE = 20  # the same with --like

_EVENT_COLUMNS = (
    *("time", "id", "phase", "kind", "stream", "rule", "zone", "line", "direction", "class", "track_id", "lasted_s"),
    *("unended", "severity", "review", "at", "started_at", "ended_at", "seq", "pts", "by", "age_s", "box", "score"),
    *("dwell_s", "count", "joins", "further", "miss_rate", "config", "model", "snapshot", "clip"),
)
_VERDICT_COLUMNS = ("at", "by", "stream", "stage", "missed", "false", "seq", "frame_at", "run")
_CLASS_COLUMNS: Sequence[str] = ("time", "stream", "class", "mean", "most")
_COUNT_COLUMNS: Sequence[str] = ("time", "stream", "kind", "zone", "line", "direction", "class", "events")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are asked for."""

    store: Path | None = None
    since: str | None = None
    until: str | None = None
    stream: str | None = None
    class_: str | None = None
    zone: str | None = None
    line: str | None = None
    kind: str | None = None
    rule: str | None = None

    @property
    def of_events(self) -> dict[str, Any]:
        """What only events have."""
        named = {"zone": self.zone, "line": self.line, "kind": self.kind, "rule": self.rule}
        return {name: value for name, value in named.items() if value is not None}

    def arguments(self, now: float) -> dict[str, Any]:
        """Those of a query, but for what only events have."""
        times = {"since": moment("--since", self.since, now), "until": moment("--until", self.until, now)}
        return {**times, "stream": self.stream, "class_": self.class_}


def form_of(*, json: bool, csv: bool) -> Form:
    """How rows are to be shown. Raises ConfigError."""
    if json and csv:
        raise ConfigError("--json and --csv: one of them only")
    return "json" if json else "csv" if csv else "table"


def show_events(filter: Filter, form: Form, newest: int | None, *, unended: bool) -> int:
    """Print events; the exit status.

    Args:
        newest: how many, the newest; 0: all. None: `SHOWN` in a table, else all.
    """
    most = (SHOWN if form == "table" else 0) if newest is None else newest
    with Store(filter.store) as store:
        # One more tells whether there are more.
        events = store.events(
            **filter.arguments(time.time()), **filter.of_events, unended=unended, newest=most + 1 if most else None
        )
        if form != "table":
            return _print(form, list(events)[-most:] if most else events, _EVENT_COLUMNS)
        rows = list(events)
    shown = rows[-most:] if most else rows
    alarms = {row["id"] for row in shown}
    status = _print_table([_event_line(row) for row in shown if row["joins"] not in alarms])
    if len(shown) < len(rows):
        sys.stderr.write(f"the newest {most}; --newest 0 shows all\n")
    return status


def show_alike(filter: Filter, form: Form, like: str, most: int | None, *, unended: bool) -> int:
    """Print events of objects that look like one, most alike first; the exit status.

    Args:
        like: id of an event, or path of a picture.
        most: how many; None: `ALIKE`.
    """
    if unended or most == 0:
        raise ConfigError("--like: the most alike of all are shown, so neither --unended nor --newest 0 goes with it")
    search_paths: list[Path] = []
    if Path(like).is_file():
        from vidpipe.pipeline.yaml.load import shipped  # half a second, for the model that pictures are described with

        search_paths = [Path.cwd(), shipped()]
    with Store(filter.store) as store:
        rows = store.alike(
            like,
            **filter.arguments(time.time()),
            **filter.of_events,
            most=ALIKE if most is None else most,
            search_paths=search_paths,
        )
    if form != "table":
        return _print(form, rows, ("likeness", *_EVENT_COLUMNS))
    return _print_table([{"likeness": plain(row["likeness"]), **_event_line(row)} for row in rows])


def show_verdicts(filter: Filter, form: Form, newest: int | None, *, others: bool) -> int:
    """Print what people said of audits; `others`: whether other options were given that say which events."""
    if others or filter.of_events or filter.class_ is not None:
        raise ConfigError("--verdicts: goes with --since, --until, --stream and --newest; other options are of events")
    arguments = filter.arguments(time.time())
    del arguments["class_"]
    with Store(filter.store) as store:
        rows = store.verdicts(**arguments)
    rows = rows[-newest:] if newest else rows
    if form != "table":
        return _print(form, rows, _VERDICT_COLUMNS)
    return _print_table([_verdict_line(row) for row in rows])


def show_counts(filter: Filter, form: Form, every: str) -> int:
    """Print how many of each class were in view; or, with what only events have, how many events there were."""
    every_s = seconds("--every", every) or 0
    if every_s < 60 or every_s % 60:
        raise ConfigError(f"--every {every}: must be whole minutes, such as 1m, 15m or 24h")
    arguments = filter.arguments(time.time()) | {"every_s": int(every_s)}
    with Store(filter.store) as store:
        rows = store.event_counts(**arguments, **filter.of_events) if filter.of_events else store.counts(**arguments)
    columns = _COUNT_COLUMNS if filter.of_events else _CLASS_COLUMNS
    if form != "table":
        return _print(form, rows, columns)
    return _print_table([{name: plain(row[name]) for name in columns} | {"time": local(row["time"])} for row in rows])


def _print(form: Form, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    return _printed(lambda: print_json(rows) if form == "json" else print_csv(rows, columns))


def _print_table(rows: list[dict[str, str]]) -> int:
    if not rows:
        sys.stderr.write("there is nothing of that kind\n")
    return _printed(lambda: print_table(rows))


def _printed(show: Callable[[], None]) -> int:
    """The exit status of printing, also to a reader that has gone."""
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        return end_quietly()
    return 0


def _verdict_line(row: Row) -> dict[str, str]:
    times = {name: local(row[name]) for name in ("at", "frame_at") if row[name] is not None}
    return {name: plain(row[name]) for name in _VERDICT_COLUMNS} | times


def _event_line(row: Row) -> dict[str, str]:
    lasted = "not ended" if row["unended"] else "" if row["lasted_s"] is None else f"{row['lasted_s']:.1f} s"
    return {
        "time": local(row["time"]),
        "stream": row["stream"],
        "kind": row["kind"],
        **{name: plain(row[name]) for name in ("zone", "line", "direction", "class", "track_id", "count")},
        "lasted": lasted,
        "further": ", ".join(row["further"]),
        "severity": row["severity"],
        **{name: plain(row[name]) for name in ("snapshot", "clip")},
    }
