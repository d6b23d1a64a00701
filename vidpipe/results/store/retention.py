"""What a store lets go: by class, age and size."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Literal, get_args

Kept = Literal["stages", "minutes", "tracks", "hours", "notices", "alerts"]
"""Classes of rows, in the order in which they go under pressure: all of the first class before any of the next."""

PRESSURE: tuple[Kept, ...] = get_args(Kept)
CHUNK = 2000  # rows in one transaction: some 50 ms, for which the other sinks wait
MOST_S = 0.5  # of deleting at a time
ROOM = 0.97  # of the most bytes, that pressure leaves

_COUNTS = ("event_count", "class_count", "stream_count")
_TABLES: Mapping[Kept, tuple[tuple[str, str, str], ...]] = {
    "stages": (("stage_minute", "minute", ""), ("state", "at", "")),
    "minutes": tuple((table, "start", "span = 60") for table in _COUNTS),
    "tracks": (("track", "last", ""), ("embedding", "last", "")),
    "hours": tuple((table, "start", "span = 3600") for table in _COUNTS),
    "notices": (("event", "at", "severity = 'notice'"), ("review", "ended", "severity = 'notice'")),
    "alerts": (("event", "at", "severity = 'alert'"), ("review", "ended", "severity = 'alert'")),
}
"""(table, its time, which of its rows) of each class."""


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; the rest is taken again before the file grows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def delete_old(connection: sqlite3.Connection, keep_days: Mapping[Kept, float], now: float) -> int:
    """Delete what is older than its class may be, for half a second at most; how many rows went."""
    deleted = 0
    stop = time.monotonic() + MOST_S
    for kept, days in keep_days.items():
        for table, at, which in _TABLES[kept]:
            while time.monotonic() < stop and (went := _delete(connection, table, at, which, now - days * 86400)):
                deleted += went
    return deleted


def relieve(connection: sqlite3.Connection, most_bytes: float) -> int:
    """Delete the oldest of what matters least until there is room, for half a second at most; how many rows went."""
    if used_bytes(connection) <= most_bytes:
        return 0
    deleted = 0
    stop = time.monotonic() + MOST_S
    while time.monotonic() < stop and used_bytes(connection) > ROOM * most_bytes:
        went = delete_oldest(connection)
        if not went:
            break
        deleted += went
    return deleted


def delete_oldest(connection: sqlite3.Connection) -> int:
    """Delete some of the oldest rows of the class that goes first; how many, 0 where nothing is left that may go."""
    for kept in PRESSURE:
        went = sum(_delete(connection, *table) for table in _TABLES[kept])
        if went:
            return went
    return 0


def _delete(connection: sqlite3.Connection, table: str, at: str, which: str, before: float | None = None) -> int:
    """Delete some of the oldest rows of a table; of those with the same time all."""
    where = f"WHERE {which}" if which else ""
    row = connection.execute(
        f"SELECT max({at}) FROM (SELECT {at} FROM {table} {where} ORDER BY {at} LIMIT {CHUNK})"
    ).fetchone()
    if row[0] is None:
        return 0
    bound = row[0] if before is None else min(row[0], before)
    also = f"AND {which}" if which else ""
    return connection.execute(f"DELETE FROM {table} WHERE {at} <= ? {also}", (bound,)).rowcount
