"""What people say of audits: that the last stage was wrong in one. Kept with the run whose audit it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.results.store.commit import transaction
from vidpipe.results.store.file import meaning, open_to_write


class Verdict(NamedTuple):
    """One of them.

    Attributes:
        at: UTC seconds at which it was given.
        run: when the run began, as its results say.
        seq: of the frame that was audited; `frame_at`: UTC seconds of it, None: not known.
        by: who says so.
        missed, false: what the audit had counted.
    """

    at: float
    run: str
    stream: str
    stage: str
    seq: int
    frame_at: float | None
    by: str
    missed: bool
    false: bool


def keep(path: Path, verdict: Verdict) -> bool:
    """Write a verdict; whether it is kept: not where the store does not know the run.

    Raises:
        ConfigError: the store cannot be written, or somebody has said so already.
    """

    def write(connection: sqlite3.Connection, run: int) -> None:
        kept = connection.execute(
            "INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            verdict._replace(run=run),  # type: ignore[arg-type]
        )
        if not kept.rowcount:
            raise ConfigError(f"somebody has said so already of frame {verdict.seq} of {verdict.stream}")

    return say(path, verdict.run, write)


def say(path: Path, run: str, write: Callable[[sqlite3.Connection, int], None]) -> bool:
    """Write what somebody says of a run, beside whoever else writes; False where the store does not know the run.

    Args:
        run: when it began, as its results say.
        write: is given the run's number in the store; what it raises leaves the store as it was.

    Raises:
        ConfigError: the store cannot be written.
    """
    try:
        with closing(open_to_write(path)) as connection, transaction(connection):
            row = connection.execute("SELECT id FROM run WHERE name = ?", (run,)).fetchone()
            if row is not None:
                write(connection, row[0])
    except sqlite3.Error as error:
        raise ConfigError(meaning(path, error)) from None
    return row is not None


ASK = (
    "SELECT verdict.at, run.name AS run, stream, stage, seq, frame_at, by, missed, false FROM verdict "
    "JOIN run ON run.id = verdict.run {} ORDER BY verdict.at, verdict.rowid"
)
"""Asks for them in order of time; in the braces the conditions."""
