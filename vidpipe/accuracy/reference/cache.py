"""Predictions kept on disk: one SQLite file for all references, into which several processes may write at once."""

from __future__ import annotations

import logging
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from vidpipe.accuracy.reference.predictions import FramePrediction

_log = logging.getLogger(__name__)
_FLUSH_S = 2.0  # as much work as a power cut may cost
_WAIT_S = 30.0  # for another process that writes: each does so for milliseconds
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, head TEXT NOT NULL, frames INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frames (
    key TEXT, seq INTEGER, pts REAL NOT NULL, known INTEGER NOT NULL, boxes BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (key, seq)) WITHOUT ROWID;
"""


class Head(BaseModel):
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

    head: Head | None = None
    predictions: Sequence[FramePrediction] = ()
    finished: bool = False


class ReferenceCache:
    """The file. What keeps it from being used is told, and costs the cache, not the reference."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str) -> ReferenceCacheEntry:
        """What is kept under a key; a damaged file is set aside, and nothing is."""
        if self._path.is_file():
            with self.told("read"), closing(self.connect()) as connection:
                return _entry(connection, key)
        return ReferenceCacheEntry()

    def connect(self) -> sqlite3.Connection:
        """Open the file, with its tables; raises sqlite3.Error or OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)
        connection.executescript(_TABLES)
        return connection

    @contextmanager
    def told(self, done: str) -> Iterator[None]:
        """What goes wrong with the file inside the block is logged and goes no further."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            _log.warning("the cache %s cannot be %s (%s): going on without it", self._path, done, why)
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            _log.warning("the cache %s is damaged (%s): set aside as %s, and begun anew", self._path, error, aside.name)
            self._path.replace(aside)
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)


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
        self._waiting: list[FramePrediction] = []
        self._flushed_at = time.monotonic()
        self._connection: sqlite3.Connection | None = None  # none once it could not be written
        with cache.told("written"):
            connection = cache.connect()
            connection.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, NULL)", (key, head.model_dump_json()))
            self._connection = connection

    def __enter__(self) -> ReferenceCacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._connection is not None:
            self._connection.close()

    def add(self, prediction: FramePrediction) -> None:
        """Of the next frame."""
        self._waiting.append(prediction)
        self._frames += 1
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self._flush()

    def finish(self) -> None:
        """There are no more frames."""
        self._flush(finished=True)

    def _flush(self, *, finished: bool = False) -> None:
        rows = [_row(self._key, prediction) for prediction in self._waiting]
        self._waiting = []
        self._flushed_at = time.monotonic()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with self._cache.told("written"):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?, ?)", rows)
            if finished:
                connection.execute("UPDATE entries SET frames = ? WHERE key = ?", (self._frames, self._key))
            connection.execute("COMMIT")
            self._connection = connection


def _entry(connection: sqlite3.Connection, key: str) -> ReferenceCacheEntry:
    begun = connection.execute("SELECT head, frames FROM entries WHERE key = ?", (key,)).fetchone()
    if begun is None:
        return ReferenceCacheEntry()
    predictions = list(_predictions(connection, key))
    return ReferenceCacheEntry(Head.model_validate_json(begun[0]), predictions, begun[1] == len(predictions))


def _predictions(connection: sqlite3.Connection, key: str) -> Iterator[FramePrediction]:
    """Those of the first frames, up to one that is missing; raises ValueError for one that is damaged."""
    rows = connection.execute("SELECT seq, pts, known, boxes, crc FROM frames WHERE key = ? ORDER BY seq", (key,))
    for expected, (seq, pts, known, boxes, crc) in enumerate(rows):
        if seq != expected:
            return
        if zlib.crc32(boxes) != crc:
            raise ValueError(f"frame {seq} does not have its checksum")
        yield FramePrediction(seq, pts, np.frombuffer(boxes, "<f4").reshape(-1, 6) if known else None)


def _row(key: str, prediction: FramePrediction) -> tuple[str, int, float, bool, bytes, int]:
    boxes = b"" if prediction.boxes is None else prediction.boxes.astype("<f4").tobytes()
    return key, prediction.seq, prediction.pts, prediction.boxes is not None, boxes, zlib.crc32(boxes)
