"""The file of a store: its tables, how it is opened, and what SQLite's errors mean to a user."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import data_folder

APPLICATION = 0x76696470  # "vidp" in the header of the file: what tells a store from other programs' SQLite files
_CACHE_KB = 16_000  # of pages: what new rows of a large file touch
WAIT_S = 1.0  # for another process that writes; the thread of all sinks waits with it

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, began REAL NOT NULL, ended REAL,
        pipeline TEXT NOT NULL, version TEXT NOT NULL, provenance TEXT NOT NULL
    );
    CREATE TABLE position (
        run INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (run, stream)
    ) WITHOUT ROWID;
    CREATE TABLE event (
        id TEXT NOT NULL UNIQUE, run INTEGER NOT NULL, stream TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL,
        zone TEXT, line TEXT, class TEXT, severity TEXT NOT NULL, review INTEGER NOT NULL,
        at REAL NOT NULL, last REAL NOT NULL, phase TEXT NOT NULL, unended INTEGER NOT NULL, seq INTEGER NOT NULL,
        data TEXT NOT NULL
    );
    CREATE INDEX event_at ON event (at);
    CREATE INDEX event_stream ON event (stream, at);
    CREATE INDEX event_kind ON event (kind, at);
    CREATE INDEX event_rule ON event (rule, at);
    CREATE INDEX event_class ON event (class, at) WHERE class IS NOT NULL;
    CREATE INDEX event_zone ON event (zone, at) WHERE zone IS NOT NULL;
    CREATE INDEX event_line ON event (line, at) WHERE line IS NOT NULL;
    CREATE INDEX event_alert ON event (at) WHERE severity = 'alert';
    CREATE INDEX event_unended ON event (review) WHERE unended;
    CREATE TABLE kind (name TEXT PRIMARY KEY, lasts INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE review (
        id INTEGER PRIMARY KEY, stream TEXT NOT NULL, began REAL NOT NULL, ended REAL NOT NULL, severity TEXT NOT NULL,
        events INTEGER NOT NULL, kinds TEXT NOT NULL, classes TEXT NOT NULL
    );
    CREATE INDEX review_stream ON review (stream, began);
    CREATE INDEX review_ended ON review (severity, ended);
    CREATE TABLE track (
        run INTEGER NOT NULL, stream TEXT NOT NULL, track INTEGER NOT NULL, first REAL NOT NULL,
        first_seq INTEGER NOT NULL, last REAL NOT NULL, last_seq INTEGER NOT NULL, class TEXT NOT NULL,
        score REAL NOT NULL, frames INTEGER NOT NULL, PRIMARY KEY (run, stream, track)
    ) WITHOUT ROWID;
    CREATE INDEX track_last ON track (last);
    CREATE TABLE stream_count (
        span INTEGER NOT NULL, start INTEGER NOT NULL, stream TEXT NOT NULL, frames INTEGER NOT NULL,
        PRIMARY KEY (span, start, stream)
    ) WITHOUT ROWID;
    CREATE TABLE class_count (
        span INTEGER NOT NULL, start INTEGER NOT NULL, stream TEXT NOT NULL, class TEXT NOT NULL,
        boxes INTEGER NOT NULL, most INTEGER NOT NULL, PRIMARY KEY (span, start, stream, class)
    ) WITHOUT ROWID;
    CREATE TABLE event_count (
        span INTEGER NOT NULL, start INTEGER NOT NULL, stream TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL,
        zone TEXT NOT NULL, line TEXT NOT NULL, direction TEXT NOT NULL, class TEXT NOT NULL, events INTEGER NOT NULL,
        PRIMARY KEY (span, start, stream, kind, rule, zone, line, direction, class)
    ) WITHOUT ROWID;
    CREATE TABLE stage_minute (
        minute INTEGER NOT NULL, stream TEXT NOT NULL, stage TEXT NOT NULL, asked INTEGER NOT NULL,
        answered INTEGER NOT NULL, audited INTEGER NOT NULL, missed INTEGER NOT NULL, cpu_s REAL NOT NULL,
        PRIMARY KEY (minute, stream, stage)
    ) WITHOUT ROWID;
    CREATE TABLE state (at REAL NOT NULL, stream TEXT NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL);
    CREATE INDEX state_at ON state (at);
    CREATE INDEX state_stream ON state (stream, at);
    """,
    """
    CREATE TABLE embedding (
        run INTEGER NOT NULL, stream TEXT NOT NULL, track INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
        model TEXT NOT NULL, length INTEGER NOT NULL, vectors INTEGER NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY (run, stream, track)
    );
    CREATE INDEX embedding_last ON embedding (last);
    """,
    """
    CREATE TABLE verdict (
        at REAL NOT NULL, run INTEGER NOT NULL, stream TEXT NOT NULL, stage TEXT NOT NULL, seq INTEGER NOT NULL,
        frame_at REAL, by TEXT NOT NULL, missed INTEGER NOT NULL, false INTEGER NOT NULL,
        PRIMARY KEY (run, stream, stage, seq)
    );
    CREATE INDEX verdict_at ON verdict (at);
    """,
    """
    CREATE TABLE mark (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, run INTEGER NOT NULL, stream TEXT NOT NULL, event TEXT NOT NULL,
        began REAL NOT NULL, ended REAL NOT NULL, yes INTEGER NOT NULL, by TEXT NOT NULL, question TEXT,
        said INTEGER, classifier TEXT, UNIQUE (run, stream, event, began, ended)
    );
    CREATE INDEX mark_at ON mark (at);
    CREATE INDEX mark_question ON mark (question) WHERE question IS NOT NULL;
    """,
    """
    ALTER TABLE event ADD COLUMN joins TEXT;
    CREATE INDEX event_joins ON event (joins) WHERE joins IS NOT NULL;
    """,
)
"""What brings a file from each version of its tables (`PRAGMA user_version`) to the next."""


def default_path() -> Path:
    """`$VIDPIPE_STORE`, or `~/.local/share/vidpipe/store.db`."""
    return Path(os.environ.get("VIDPIPE_STORE") or data_folder() / "store.db")


def open_to_write(path: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open a store, made where there is none, with its tables brought up to date.

    The connection goes from thread to thread: one at a time uses it.

    Raises:
        ConfigError: it cannot be opened, is no store, is damaged, locked, or of a newer vidpipe.
    """
    try:
        connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigError(meaning(path, error)) from None
    try:
        version = _version(connection, path, migrations)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        if version < len(migrations):
            _migrate(connection, migrations)
    except sqlite3.Error as error:
        connection.close()
        raise ConfigError(meaning(path, error)) from None
    except ConfigError:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a store that is there; it may be written meanwhile.

    Raises:
        ConfigError: there is none, or as of `open_to_write`.
    """
    if not path.exists():
        raise ConfigError(f"store {path}: there is none; `vidpipe run --store {path}` makes one")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        if _version(connection, path, MIGRATIONS) < len(MIGRATIONS):
            connection.close()
            raise ConfigError(
                f"store {path} is of an earlier vidpipe: `vidpipe run --store {path}` brings it up to date"
            )
    except sqlite3.Error as error:
        raise ConfigError(meaning(path, error)) from None
    return connection


def meaning(path: Path, error: sqlite3.Error) -> str:
    """What is wrong with a store, and what to do, in a line."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return f"store {path} is no SQLite file; take another file"
    if code == sqlite3.SQLITE_CORRUPT:
        return (
            f"store {path} is damaged: move it away, and save what can be read by "
            f"`sqlite3 {path} .recover | sqlite3 NEW.db`"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"store {path} is locked by another program; end it, or take another file"
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"store {path} cannot be opened: its folder is not there, or may not be written"
    if code == sqlite3.SQLITE_READONLY:
        return f"store {path} cannot be written: it is read-only, or was moved"
    if code == sqlite3.SQLITE_FULL:
        return f"store {path} cannot be written: the disk is full"
    return f"store {path}: {error}"


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's number of the error, without what makes it more exact; 0 where it is of Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> int:
    """The version of the tables, 0 of an empty file; raises ConfigError where this vidpipe does not know it."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    if application != APPLICATION and not empty:
        raise ConfigError(f"store {path} is an SQLite file of another program; take another file")
    if version > len(migrations):
        raise ConfigError(
            f"store {path} was written by a newer vidpipe (tables of version {version}, known up to "
            f"{len(migrations)}): update vidpipe, or take another file"
        )
    return version


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Bring the tables up to date, all of it or nothing: another process may do the same at this moment."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        for step in migrations[version:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
