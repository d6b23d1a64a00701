"""Events in a store: each once, its phases in one row, and events that are near each other in one review."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from vidpipe.results.events import FIELDS, SCHEMA
from vidpipe.results.store.pending import Happened
from vidpipe.results.store.spans import starts

LONGEST_REVIEW_S = 3600.0  # a review of a busy scene would never end

_ORDER = {"begin": 0, "update": 1, "end": 2}
_IN_COLUMNS = ("schema", "id", "phase", "kind", "stream", "rule")


class Rules(NamedTuple):
    """How events become reviews.

    Attributes:
        alerts: patterns of kinds that make a review an alert, where an event says no `severity` itself.
        gap_s: without an event, after which the next one begins another review.
    """

    alerts: Sequence[str]
    gap_s: float


@dataclass(slots=True)
class _Review:
    id: int
    began: float
    ended: float
    severity: str
    events: int
    kinds: set[str]
    classes: set[str]


class EventWriter:
    """Writes the events of one transaction. What many of them change is written once, by `close`.

    Args:
        run: number of the run in the store.
    """

    def __init__(self, connection: sqlite3.Connection, run: int, rules: Rules) -> None:
        self._connection = connection
        self._run = run
        self._rules = rules
        self._reviews: dict[int, _Review] = {}
        self._last: dict[str, _Review | None] = {}  # the newest review of a stream
        self._counts: Counter[tuple[Any, ...]] = Counter()
        self._severities: dict[str, str] = {}  # of kinds
        self._lasting = {name: bool(lasts) for name, lasts in connection.execute("SELECT name, lasts FROM kind")}

    def write(self, event: Happened) -> None:
        """Enter an event, or the next phase of one that is there; a phase that was written before is ignored."""
        told = event.json
        self._note_kind(told["kind"], lasts=told["phase"] != "begin")
        known = self._connection.execute(
            "SELECT phase, seq, review, severity, data FROM event WHERE id = ?", (told["id"],)
        ).fetchone()
        if known is None:
            self._begin(event)
        else:
            self._go_on(event, *known)

    def close(self) -> None:
        """Write what is left."""
        self._connection.executemany(
            "UPDATE review SET began = ?, ended = ?, severity = ?, events = ?, kinds = ?, classes = ? WHERE id = ?",
            [
                (
                    each.began,
                    each.ended,
                    each.severity,
                    each.events,
                    _text(sorted(each.kinds)),
                    _text(sorted(each.classes)),
                    each.id,
                )
                for each in self._reviews.values()
            ],
        )
        self._connection.executemany(
            "INSERT INTO event_count VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET events = events + excluded.events",
            [(*key, count) for key, count in self._counts.items()],
        )

    def _begin(self, event: Happened) -> None:
        at, told = event
        severity = self._severity(told)
        review = self._review_at(at, told["stream"])
        what = (told["stream"], told["kind"], told["rule"])
        where = (told["zone"], told["line"], told["class"])
        data = {name: value for name, value in told.items() if value is not None and name not in _IN_COLUMNS}
        unended = told["phase"] != "end" and self._lasting[told["kind"]]
        row = (told["id"], self._run, *what, *where, severity, review.id, at, at, told["phase"], unended, told["seq"])
        self._connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, _text(data), told.get("joins")),
        )
        zone, line, name = (each or "" for each in where)
        for span, start in starts(at):
            self._counts[span, start, *what, zone, line, told["direction"] or "", name] += 1
        review.events += 1
        _extend(review, at, told, severity)

    def _go_on(self, event: Happened, phase: str, seq: int, review: int, severity: str, before: str) -> None:
        at, told = event
        if phase == "end" or (told["seq"], _ORDER[told["phase"]]) <= (seq, _ORDER[phase]):
            return
        severity = min(severity, self._severity(told))  # "alert" < "notice"
        data = json.loads(before)
        data.setdefault("started_at", data.get("at"))
        data |= {name: value for name, value in told.items() if value is not None and name not in _IN_COLUMNS}
        self._connection.execute(
            "UPDATE event SET phase = ?, unended = ?, seq = ?, last = ?, severity = ?, data = ? WHERE id = ?",
            (told["phase"], told["phase"] != "end", told["seq"], at, severity, _text(data), told["id"]),
        )
        known = self._reviews.get(review) or self._read(f"id = {review}")
        if known is not None:  # else it was deleted to make room
            _extend(known, at, told, severity)

    def _note_kind(self, kind: str, *, lasts: bool) -> None:
        """Events of a kind last if one of them was ever updated or ended: then all that have not ended are unended."""
        known = self._lasting.get(kind)
        if known is None or lasts > known:
            self._connection.execute(
                "INSERT INTO kind VALUES (?, ?) ON CONFLICT DO UPDATE SET lasts = max(lasts, excluded.lasts)",
                (kind, lasts),
            )
            self._lasting[kind] = bool(known) or lasts
        if lasts and known is False:
            self._connection.execute("UPDATE event SET unended = 1 WHERE kind = ? AND phase <> 'end'", (kind,))

    def _severity(self, told: Mapping[str, Any]) -> str:
        if (said := told.get("severity")) in ("alert", "notice"):
            return str(said)
        if (severity := self._severities.get(told["kind"])) is None:
            alert = any(fnmatchcase(told["kind"], pattern) for pattern in self._rules.alerts)
            severity = self._severities[told["kind"]] = "alert" if alert else "notice"
        return severity

    def _review_at(self, at: float, stream: str) -> _Review:
        """The review to which an event belongs that begins now: the stream's last one, or another."""
        if stream not in self._last:
            self._last[stream] = self._read("stream = ? ORDER BY began DESC LIMIT 1", stream)
        last = self._last[stream]
        if last is not None and at - last.began < LONGEST_REVIEW_S:
            gap_s = self._rules.gap_s
            if last.began - gap_s <= at <= last.ended + gap_s or (at > last.ended and self._goes_on(last.id)):
                return last
        row = self._connection.execute(
            "INSERT INTO review (stream, began, ended, severity, events, kinds, classes) "
            "VALUES (?, ?, ?, 'notice', 0, '[]', '[]')",
            (stream, at, at),
        )
        assert row.lastrowid is not None
        new = _Review(row.lastrowid, at, at, "notice", 0, set(), set())
        self._last[stream] = self._reviews[new.id] = new
        return new

    def _goes_on(self, review: int) -> bool:
        """Whether something in a review has begun in this run and not ended."""
        found = self._connection.execute(
            "SELECT 1 FROM event WHERE unended AND review = ? AND run = ? LIMIT 1", (review, self._run)
        ).fetchone()
        return found is not None

    def _read(self, which: str, *values: Any) -> _Review | None:
        row = self._connection.execute(
            f"SELECT id, began, ended, severity, events, kinds, classes FROM review WHERE {which}", values
        ).fetchone()
        if row is None:
            return None
        id, began, ended, severity, events, kinds, classes = row
        review = _Review(id, began, ended, severity, events, set(json.loads(kinds)), set(json.loads(classes)))
        return self._reviews.setdefault(review.id, review)


def event_of(row: sqlite3.Row) -> dict[str, Any]:
    """A row of `joined.EVENTS`, as `Store.events` gives it."""
    # One whose only phase is its end began before anything was stored.
    lasted = row["last"] - row["at"] if row["phase"] == "end" and row["last"] > row["at"] else None
    return {
        "schema": SCHEMA,
        **{name: row[name] for name in ("id", "phase", "kind", "stream", "rule")},
        **dict.fromkeys(("at", "seq", "pts", "by", "age_s", *FIELDS)),
        **json.loads(row["data"]),
        "time": row["at"],
        "lasted_s": None if lasted is None else round(lasted, 3),
        "unended": bool(row["unended"]),
        "severity": row["severity"],
        "review": row["review"],
        "further": sorted(set(json.loads(row["further"]))),
    }


def _extend(review: _Review, at: float, told: Mapping[str, Any], severity: str) -> None:
    review.began, review.ended = min(review.began, at), max(review.ended, at)
    review.severity = min(review.severity, severity)
    review.kinds.add(told["kind"])
    review.classes |= {told["class"]} - {None}


_text = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
