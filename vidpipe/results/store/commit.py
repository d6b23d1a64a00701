"""Writing what is pending: one transaction, in which everything and the position of each stream go together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from vidpipe.results.store.embeddings import model_of, write_embeddings
from vidpipe.results.store.events import EventWriter, Rules
from vidpipe.results.store.pending import Pending


class RunRow(NamedTuple):
    """A run in the store.

    Attributes:
        began: UTC seconds.
        embedder: model that its boxes are described with, see `embeddings.model_of`.
        stored: by stream, the seq up to which its results are there already: from an earlier attempt at the same run.
    """

    id: int
    began: float
    stored: Mapping[str, int]
    embedder: str = ""


def begin_run(connection: sqlite3.Connection, provenance: Mapping[str, Any]) -> RunRow:
    """Enter a run, or find the one that began at the same time: then what is written again is ignored."""
    name = str(provenance["start"])
    began = datetime.fromisoformat(name).timestamp()
    with transaction(connection):
        connection.execute(
            "INSERT INTO run (name, began, pipeline, version, provenance) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET ended = NULL",
            (name, began, provenance["pipeline"], provenance["version"], json.dumps(provenance)),
        )
        (run,) = connection.execute("SELECT id FROM run WHERE name = ?", (name,)).fetchone()
    stored = connection.execute("SELECT stream, seq FROM position WHERE run = ?", (run,)).fetchall()
    return RunRow(run, began, dict(stored), model_of(provenance))


def end_run(connection: sqlite3.Connection, run: int, at: float) -> None:
    """Note that a run ended in order."""
    connection.execute("UPDATE run SET ended = ? WHERE id = ?", (at, run))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is written meanwhile, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have ended it already
            connection.execute("ROLLBACK")
        raise


def commit(connection: sqlite3.Connection, run: RunRow, pending: Pending, rules: Rules) -> None:
    """Write everything that is pending, with positions, in one transaction. Raises sqlite3.Error: then nothing is."""
    number = run.id
    with transaction(connection):
        events = EventWriter(connection, number, rules)
        for event in pending.events:
            events.write(event)
        events.close()
        connection.executemany(
            _TRACK,
            [(number, *key, *span.first, *span.last, *span.best, span.frames) for key, span in pending.tracks.items()],
        )
        write_embeddings(connection, number, run.embedder, pending.embedded)
        connection.executemany(_FRAMES, [(*key, count) for key, count in pending.frames.items()])
        connection.executemany(_BOXES, [(*key, boxes, pending.most[key]) for key, boxes in pending.boxes.items()])
        connection.executemany(_STAGE, pending.stages)
        connection.executemany("INSERT INTO state VALUES (?, ?, ?, ?)", pending.states)
        connection.executemany(_POSITION, [(number, stream, *at) for stream, at in pending.positions.items()])


_POSITION = "INSERT INTO position VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at"
_FRAMES = "INSERT INTO stream_count VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET frames = frames + excluded.frames"
_BOXES = (
    "INSERT INTO class_count VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET boxes = boxes + excluded.boxes, most = max(most, excluded.most)"
)
_STAGE = (
    "INSERT INTO stage_minute VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET asked = asked + excluded.asked, answered = answered + excluded.answered, "
    "audited = audited + excluded.audited, missed = missed + excluded.missed, cpu_s = cpu_s + excluded.cpu_s"
)
_TRACK = (
    "INSERT INTO track VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last, "
    "last_seq = excluded.last_seq, class = CASE WHEN excluded.score > score THEN excluded.class ELSE class END, "
    "score = max(score, excluded.score), frames = frames + excluded.frames"
)
