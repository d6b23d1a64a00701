"""Writing what is pending: one transaction, in which everything and the position of each stream go together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from vidpipe.results.store.pending import Happened, Pending, minute_of

LONGEST_REVIEW_S = 3600.0  # a review of a busy scene would never end
_ORDER = {"begin": 0, "update": 1, "end": 2}
_NO_DATA = ("schema", "id", "phase", "kind", "stream", "rule")  # fields that columns hold


class RunRow(NamedTuple):
    """A run in the store.

    Attributes:
        began: UTC seconds.
        stored: by stream, the seq up to which its results are there already: from an earlier attempt at the same run.
    """

    id: int
    began: float
    stored: Mapping[str, int]


class Rules(NamedTuple):
    """How events become reviews.

    Attributes:
        alerts: patterns of kinds that make a review an alert, where an event says no `severity` itself.
        gap_s: without an event, after which the next one begins another review.
    """

    alerts: Sequence[str]
    gap_s: float


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
    return RunRow(run, began, dict(stored))


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


def commit(connection: sqlite3.Connection, run: int, pending: Pending, rules: Rules) -> None:
    """Write everything that is pending, with positions, in one transaction. Raises sqlite3.Error: then nothing is."""
    with transaction(connection):
        for event in pending.events:
            _write_event(connection, run, event, rules)
        connection.executemany(_TRACK, [_track_row(run, key, span) for key, span in pending.tracks.items()])
        connection.executemany(_FRAMES, [(*key, count) for key, count in pending.frames.items()])
        connection.executemany(_BOXES, [(*key, boxes, pending.most[key]) for key, boxes in pending.boxes.items()])
        connection.executemany(_STAGE, pending.stages)
        connection.executemany("INSERT INTO state VALUES (?, ?, ?, ?)", pending.states)
        connection.executemany(
            "INSERT INTO position VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at",
            [(run, stream, *position) for stream, position in pending.positions.items()],
        )


_FRAMES = "INSERT INTO stream_minute VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET frames = frames + excluded.frames"
_BOXES = (
    "INSERT INTO class_minute VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET boxes = boxes + excluded.boxes, most = max(most, excluded.most)"
)
_STAGE = (
    "INSERT INTO stage_minute VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET asked = asked + excluded.asked, "
    "answered = answered + excluded.answered, audited = audited + excluded.audited, "
    "missed = missed + excluded.missed, cpu_s = cpu_s + excluded.cpu_s"
)
_TRACK = (
    "INSERT INTO track VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "class = CASE WHEN excluded.score > score THEN excluded.class ELSE class END, score = max(score, excluded.score), "
    "last = excluded.last, last_seq = excluded.last_seq, frames = frames + excluded.frames"
)


def _track_row(run: int, key: tuple[str, int], span: Any) -> tuple[Any, ...]:
    (first, first_seq), (last, last_seq) = span.first, span.last
    return (run, *key, span.name, span.score, first, last, first_seq, last_seq, span.frames)


def _write_event(connection: sqlite3.Connection, run: int, event: Happened, rules: Rules) -> None:
    """Enter an event, or the next phase of one that is there; a phase that was written before is ignored."""
    at, told = event
    data = {name: value for name, value in told.items() if value is not None and name not in _NO_DATA}
    severity = _severity(told, rules)
    known = connection.execute("SELECT phase, seq, review, data FROM event WHERE id = ?", (told["id"],)).fetchone()
    if told["phase"] != "begin":
        connection.execute("INSERT OR IGNORE INTO lasting VALUES (?)", (told["kind"],))
    if known is None:
        review = _review(connection, run, at, told["stream"], rules)
        _enter(connection, run, event, severity, review, data)
    else:
        phase, seq, review, before = known
        if phase == "end" or (told["seq"], _ORDER[told["phase"]]) <= (seq, _ORDER[phase]):
            return
        merged = json.loads(before) | data
        merged.setdefault("started_at", json.loads(before).get("at"))
        connection.execute(
            "UPDATE event SET phase = ?, seq = ?, last = ?, severity = min(severity, ?), data = ? WHERE id = ?",
            (told["phase"], told["seq"], at, severity, _text(merged), told["id"]),
        )
    _extend(connection, review, at, told, severity, new=known is None)


def _enter(
    connection: sqlite3.Connection, run: int, event: Happened, severity: str, review: int, data: Mapping[str, Any]
) -> None:
    at, told = event
    what = (told["stream"], told["kind"], told["rule"])
    where = (told["zone"], told["line"], told["class"])
    connection.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (told["id"], run, *what, *where, severity, review, at, at, told["phase"], told["seq"], _text(data)),
    )
    zone, line, name = (each or "" for each in where)
    connection.execute(
        "INSERT INTO event_minute VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET events = events + 1",
        (minute_of(at), *what, zone, line, told["direction"] or "", name),
    )


def _severity(told: Mapping[str, Any], rules: Rules) -> str:
    said = told.get("severity")
    if said in ("alert", "notice"):
        return str(said)
    return "alert" if any(fnmatchcase(told["kind"], pattern) for pattern in rules.alerts) else "notice"


def _review(connection: sqlite3.Connection, run: int, at: float, stream: str, rules: Rules) -> int:
    """The review to which an event belongs that begins now: the stream's last one, or another."""
    last = connection.execute(
        "SELECT id, began, ended FROM review WHERE stream = ? ORDER BY began DESC LIMIT 1", (stream,)
    ).fetchone()
    if last is not None:
        review, began, ended = last
        near = began - rules.gap_s <= at <= ended + rules.gap_s
        if at - began < LONGEST_REVIEW_S and (near or (at > ended and _goes_on(connection, run, review))):
            return int(review)
    row = connection.execute(
        "INSERT INTO review (stream, began, ended, severity, events, kinds, classes) "
        "VALUES (?, ?, ?, 'notice', 0, '[]', '[]')",
        (stream, at, at),
    )
    assert row.lastrowid is not None
    return row.lastrowid


def _goes_on(connection: sqlite3.Connection, run: int, review: int) -> bool:
    """Whether something in a review has begun in this run and not ended."""
    found = connection.execute(
        "SELECT 1 FROM event WHERE review = ? AND run = ? AND phase <> 'end' AND kind IN (SELECT kind FROM lasting)",
        (review, run),
    ).fetchone()
    return found is not None


def _extend(
    connection: sqlite3.Connection, review: int, at: float, told: Mapping[str, Any], severity: str, *, new: bool
) -> None:
    row = connection.execute("SELECT kinds, classes FROM review WHERE id = ?", (review,)).fetchone()
    if row is None:  # it was deleted to make room
        return
    kinds, classes = (set(json.loads(each)) for each in row)
    kinds.add(told["kind"])
    classes |= {told["class"]} - {None}
    connection.execute(
        "UPDATE review SET began = min(began, ?), ended = max(ended, ?), events = events + ?, kinds = ?, classes = ?, "
        "severity = min(severity, ?) WHERE id = ?",  # 'alert' < 'notice'
        (at, at, int(new), _text(sorted(kinds)), _text(sorted(classes)), severity, review),
    )


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
