"""Predictions kept on disk: one SQLite file for all references, into which several processes may write at once."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vidpipe.bench.reference.predictions import FramePrediction

_log = logging.getLogger(__name__)
_FLUSH_S = 2.0  # as much work as a power cut may cost
_WAIT_S = 30.0  # for another process that writes: each does so for milliseconds
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, head TEXT NOT NULL, frames INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frames (
    key TEXT, seq INTEGER, pts REAL NOT NULL, known INTEGER NOT NULL, boxes BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (key, seq)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Head:
    """What all predictions of an entry share, as `Viewer` and `Traits` have it."""

    names: tuple[str, ...]
    width: int
    height: int
    size: tuple[int, int]
    usual: float


class ReferenceCacheEntry(NamedTuple):
    """What is kept under one key.

    Attributes:
        head: None where nothing was begun.
        predictions: of the first frames of the stream, or if `finished`, of all.
    """

    head: Head | None
    predictions: list[FramePrediction]
    finished: bool


NOTHING = ReferenceCacheEntry(None, [], False)


class ReferenceCache:
    """The file. What keeps it from being used is told, and costs the cache, not the reference."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, key: str) -> ReferenceCacheEntry:
        """What is kept under a key; a damaged file is set aside, and nothing is."""
        if not self.path.is_file():
            return NOTHING
        try:
            with closing(self.connect()) as connection:
                return _entry(connection, key)
        except sqlite3.OperationalError as error:
            _log.warning("the cache %s cannot be read (%s): going on without it", self.path, error)
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            self.set_aside(error)
        return NOTHING

    def set_aside(self, error: Exception) -> None:
        """The file is damaged: the next one to write begins another."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        _log.warning("the cache %s is damaged (%s): set aside as %s, and begun anew", self.path, error, aside.name)
        self.path.replace(aside)
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)

    def connect(self) -> sqlite3.Connection:
        """Open the file, with its tables; raises sqlite3.Error or OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        connection.executescript(_TABLES)
        return connection


class ReferenceCacheWriter:
    """Adds predictions to an entry; the same ones by another process do no harm.

    Args:
        head: of the entry, begun if it is not there.
        frames: how many are kept already.
    """

    def __init__(self, cache: ReferenceCache, key: str, head: Head, frames: int) -> None:
        self._cache = cache
        self._key = key
        self._frames = frames
        self._waiting: list[tuple[Any, ...]] = []
        self._flushed_at = time.monotonic()
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = cache.connect()
            self._connection.execute(
                "INSERT OR IGNORE INTO entries VALUES (?, ?, NULL)", (key, json.dumps(asdict(head)))
            )
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def __enter__(self) -> ReferenceCacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._connection is not None:
            self._connection.close()

    def add(self, prediction: FramePrediction) -> None:
        """Of the next frame."""
        self._waiting.append((self._key, *_row(prediction)))
        self._frames += 1
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self._flush()

    def finish(self) -> None:
        """There are no more frames."""
        self._flush(finished=True)

    def _flush(self, *, finished: bool = False) -> None:
        rows, self._waiting = self._waiting, []
        self._flushed_at = time.monotonic()
        if self._connection is None:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?, ?)", rows)
            if finished:
                self._connection.execute("UPDATE entries SET frames = ? WHERE key = ?", (self._frames, self._key))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) else error
        _log.warning("the cache %s cannot be written (%s): going on without it", self._cache.path, why)
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._cache.set_aside(error)


def _entry(connection: sqlite3.Connection, key: str) -> ReferenceCacheEntry:
    begun = connection.execute("SELECT head, frames FROM entries WHERE key = ?", (key,)).fetchone()
    if begun is None:
        return NOTHING
    head = json.loads(begun[0])
    known = list(_predictions(connection, key))
    shared = Head(tuple(head["names"]), head["width"], head["height"], tuple(head["size"]), head["usual"])
    return ReferenceCacheEntry(shared, known, begun[1] == len(known))


def _predictions(connection: sqlite3.Connection, key: str) -> Iterator[FramePrediction]:
    """Those of the first frames, up to one that is missing; raises ValueError for one that is damaged."""
    rows = connection.execute("SELECT seq, pts, known, boxes, crc FROM frames WHERE key = ? ORDER BY seq", (key,))
    for expected, (seq, pts, known, boxes, crc) in enumerate(rows):
        if seq != expected:
            return
        if zlib.crc32(boxes) != crc:
            raise ValueError(f"frame {seq} does not have its checksum")
        count = len(boxes) // 24
        columns = np.frombuffer(boxes, "<f4", 5 * count)
        labels = np.frombuffer(boxes, "<i4", count, 20 * count).astype(np.int64)
        yield FramePrediction(
            seq, pts, bool(known), columns[: 4 * count].reshape(count, 4), columns[4 * count :], labels
        )


def _row(prediction: FramePrediction) -> tuple[int, float, bool, bytes, int]:
    """Of each box float32 xyxy, then of each its score, then of each as int32 its label."""
    boxes = b"".join(
        [
            prediction.xyxy.astype("<f4").tobytes(),
            prediction.score.astype("<f4").tobytes(),
            prediction.label.astype("<i4").tobytes(),
        ]
    )
    return prediction.seq, prediction.pts, prediction.known, boxes, zlib.crc32(boxes)
