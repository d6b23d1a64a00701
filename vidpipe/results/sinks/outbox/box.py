"""Messages that wait on disk, in order; they outlive the process, however it ends."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ConfigError

APPLICATION = 0x76696F62  # "viob" in the header of the file
BURIED = 1000  # dead letters that are kept
_VERSION = 1
_TABLES = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, made REAL NOT NULL, body TEXT NOT NULL
);
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at REAL NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL
);
"""


class Message(NamedTuple):
    """What waits.

    Attributes:
        key: the same whenever this is put; what waits already is not put again.
        made: UTC seconds.
    """

    id: int
    key: str
    made: float
    body: str


class Box:
    """The outbox of one destination, for this process alone. Any thread may call it.

    Args:
        most: messages that may wait; beyond, the oldest make room.

    Raises:
        ConfigError: it cannot be opened, is something else, or another run has it.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self._most = most
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._connection = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise ConfigError(f"outbox {path} cannot be opened: {error}") from None
        try:
            # Two that deliver from one outbox would deliver everything twice: SQLite keeps it for one process.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._make()
            self._waiting: int = self._connection.execute("SELECT count(*) FROM message").fetchone()[0]
        except sqlite3.Error as error:
            self._connection.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise ConfigError(
                    f"outbox {path} is used by another run; give one of the two sinks an `outbox` of its own"
                ) from None
            raise ConfigError(f"outbox {path} cannot be used: {error}; move it away") from None

    @property
    def closed(self) -> bool:
        """Whether it was closed: then nothing is in it."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    def put(self, messages: Sequence[tuple[str, str]], made: float) -> tuple[int, int]:
        """Put messages (key, body) behind those that wait; they are on disk when this returns. Raises sqlite3.Error.

        Returns:
            How many were put, and how many of the oldest went to make room.
        """
        with self._lock:
            if self._closed:
                return 0, 0
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                added = self._connection.executemany(
                    "INSERT OR IGNORE INTO message (key, made, body) VALUES (?, ?, ?)",
                    [(key, made, body) for key, body in messages],
                ).rowcount
                beyond = max(0, self._waiting + added - self._most)
                if beyond:
                    self._connection.execute(
                        "DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY id LIMIT ?)", (beyond,)
                    )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._waiting += added - beyond
            return added, beyond

    def first(self, count: int) -> list[Message]:
        """Those that have waited longest."""
        with self._lock:
            if self._closed:
                return []
            rows = self._connection.execute("SELECT id, key, made, body FROM message ORDER BY id LIMIT ?", (count,))
            return [Message(*row) for row in rows]

    def done(self, messages: Sequence[Message]) -> int:
        """Let go of messages that are delivered, or that nobody wants; how many were still there."""
        with self._lock:
            if self._closed:
                return 0
            gone = self._connection.executemany(
                "DELETE FROM message WHERE id = ?", [(message.id,) for message in messages]
            ).rowcount
            self._waiting -= gone
            return gone

    def bury(self, message: Message, at: float, reason: str) -> int:
        """Let go of a message that will never be taken, and keep it among the dead letters."""
        with self._lock:
            if self._closed:
                return 0
            self._connection.execute(
                "INSERT INTO dead (key, at, reason, body) VALUES (?, ?, ?, ?)", (message.key, at, reason, message.body)
            )
            self._connection.execute("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?", (BURIED,))
        return self.done([message])

    def close(self) -> None:
        """Close the file; what waits is there the next time."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()

    def _make(self) -> None:
        """Have the tables there, and hold the file from now on."""
        self._connection.execute("BEGIN EXCLUSIVE")
        try:
            application = self._connection.execute("PRAGMA application_id").fetchone()[0]
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")
            elif application != APPLICATION:
                raise sqlite3.DatabaseError("it is an SQLite file of another program")
            elif version > _VERSION:
                raise sqlite3.DatabaseError("it was written by a newer vidpipe")
        finally:
            self._connection.execute("COMMIT")
