"""Rows for a terminal or for a program: a table, JSON lines, CSV. Quick to import: a query shall take no time."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

Form = Literal["table", "json", "csv"]


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """An object a line."""
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """These columns of each row, below their names; a list or mapping as JSON, nothing for null."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Columns below their names, without those in which nothing stands."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    for line in ({name: name for name in columns}, *rows) if rows else ():
        sys.stdout.write("  ".join(line[name].ljust(widths[name]) for name in columns).rstrip() + "\n")


def local(at: float) -> str:
    """UTC seconds as date and time of this machine's zone."""
    return datetime.fromtimestamp(at).isoformat(" ", "seconds")


def plain(value: object) -> str:
    """A value in a table; nothing for None."""
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def end_quietly() -> int:
    """The exit status where whoever reads has gone, as `head` does: nothing more is to be written at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
