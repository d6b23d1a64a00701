"""Asking a store: events, reviews, counts, tracks, stages, states and runs."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import REVIEW
from vidpipe.results.store.events import event_of
from vidpipe.results.store.file import default_path, meaning, open_to_read
from vidpipe.results.store.joined import EVENTS, REVIEWS
from vidpipe.results.store.marks import ASK as ASK_MARKS
from vidpipe.results.store.marks import UNANSWERED
from vidpipe.results.store.verdicts import ASK as ASK_VERDICTS
from vidpipe.results.store.where import Where, counted, span_of

Row = dict[str, Any]


class Store:
    """A store to ask, also while a run writes it: `with vidpipe.Store("yard.db") as store: store.events(zone="gate")`.

    Times are UTC seconds. `since` and `until` bound them, the latter not included; None: no bound. Counts are of whole
    minutes, hours or days of UTC, so there these bounds are moved outwards. Other arguments name what a row must have;
    None: anything. `kind` may be a pattern, such as "zone.*". For one thread at a time.

    Args:
        path: of the file; None: `$VIDPIPE_STORE`, or `~/.local/share/vidpipe/store.db`.

    Raises:
        ConfigError: there is none, it is no store, damaged, locked, or of a newer vidpipe. Each method raises it, too.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = default_path() if path is None else Path(path).expanduser()
        self._connection = open_to_read(self.path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        class_: str | None = None,
        zone: str | None = None,
        line: str | None = None,
        kind: str | None = None,
        rule: str | None = None,
        severity: str | None = None,
        review: int | None = None,
        unended: bool = False,
        newest: int | None = None,
    ) -> Iterator[Row]:
        """Events in order of time, each once, with what its last phase says. They are read as they are asked for.

        Args:
            severity: "alert" or "notice".
            review: number of a review.
            unended: only those that last, as others of their kind do, and have not ended.
            newest: only so many, the newest.

        Returns:
            The fields of `vidpipe.event/1`, and `time` (UTC seconds at which it began; of a recording that does not say
            when it was taken as if it had begun with the run), `lasted_s` (None if it has not ended, or has no
            duration), `unended` (as of the argument), `severity`, `review` and `further` (cameras whose events
            join it).
        """
        named = {"stream": stream, "class": class_, "zone": zone, "line": line, "rule": rule, "severity": severity}
        where = Where({**named, "review": review})
        where.between("at", since, until)
        if review is not None:  # it says where to look
            for row in self._ask("SELECT stream, began, ended FROM review WHERE id = ?", (review,)):
                where.also("stream = ? AND at BETWEEN ? AND ?", *row)
        if unended:
            where.also("unended")
        if kind is None:
            rows = self._of(where, newest)
        else:
            rows = self._of_kinds(where, self._ask("SELECT name FROM kind WHERE name GLOB ?", (kind,)), newest)
        return map(event_of, rows)

    def event(self, id: str) -> Row | None:
        """An event by its `id`, as `events` gives it; None: there is none."""
        return next(map(event_of, self._ask(f"{EVENTS} WHERE id = ?", (id,))), None)

    def alike(
        self,
        to: str | Path,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        class_: str | None = None,
        zone: str | None = None,
        line: str | None = None,
        kind: str | None = None,
        rule: str | None = None,
        most: int = 20,
        search_paths: Sequence[Path] = (),
    ) -> list[Row]:
        """Events of objects that look like one, over all streams, most alike first; of runs that `describe` boxes.

        Args:
            to: id of an event, whose object is meant and is not among what is found; or the path of a picture that
                shows nothing but the object.
            most: events.
            search_paths: folders in which the model is looked for that a picture is described with.

        Returns:
            As `events`, and `likeness`: the cosine of what both objects look like on average, -1 to 1.
        """
        # Without a store to ask, NumPy and FAISS would be half of what the command takes.
        from vidpipe.results.store.alike import like_event, like_picture, of_track, tracks_alike

        if Path(to).is_file():
            like = like_picture([run["provenance"] for run in self.runs()], Path(to), search_paths)
        else:
            like = like_event(self._ask, str(to))
        tracks = Where({"stream": stream})
        tracks.between("last", since, None)
        tracks.between("first", None, until)
        found: list[Row] = []
        for track in tracks_alike(self._ask, like, str(tracks), tracks.values):
            where = Where({"class": class_, "zone": zone, "line": line, "rule": rule})
            where.between("at", since, until)
            condition, values = of_track(track)
            where.also(condition, *values)
            if kind is not None:
                where.also("kind GLOB ?", kind)
            found += [event_of(row) | {"likeness": track.likeness} for row in self._of(where, None)]
            if len(found) >= most:
                break
        return found[:most]

    def reviews(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        severity: str | None = None,
        newest: int | None = None,
    ) -> list[Row]:
        """Spans of time in which events of a stream overlap or are near, in order of time.

        Returns:
            `id`, `stream`, `began`, `ended` (of the last event so far), `severity` ("alert" if one of them is),
            `events` (how many), `kinds` and `classes` (lists), `further` (cameras whose events join one of these), and
            `joins` (id of the alarm of another camera that all of these events join; None where one of them does not).
        """
        where = Where({"stream": stream, "severity": severity})
        where.between("began", None, until)
        if since is not None:
            where.also("ended >= ?", since)
        limit = -1 if newest is None else newest
        rows = self._ask(f"{REVIEWS} {where} ORDER BY began DESC LIMIT ?", (*where.values, limit))
        lists = ("kinds", "classes", "further")
        return [dict(row) | {name: sorted(set(json.loads(row[name]))) for name in lists} for row in reversed(rows)]

    def counts(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        class_: str | None = None,
        every_s: int = 60,
        newest: int | None = None,
    ) -> list[Row]:
        """How many of each class were in view, by stream and time.

        Args:
            every_s: seconds that a row stands for: whole minutes.
            newest: only those of the newest times; so many rows at least, where there are as many.

        Returns:
            `time` (at which it begins), `stream`, `class`, `mean` (boxes a result), `most` (boxes in one result).
        """
        named = {"stream": stream, "class": class_}
        since = self._first("class_count", "stream, class", named, since, until, every_s, newest)
        where = counted(named, since, until, every_s)
        rows = self._ask(
            f"SELECT start / {every_s} * {every_s} AS time, stream, class, sum(boxes) AS boxes, max(most) AS most "
            f"FROM class_count {where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            where.values,
        )
        where = counted({"stream": stream}, since, until, every_s)
        all_frames = (
            f"SELECT start / {every_s} * {every_s}, stream, sum(frames) FROM stream_count {where} GROUP BY 1, 2"
        )
        frames = {(time, stream): count for time, stream, count in self._ask(all_frames, where.values)}
        return [
            {
                "time": row["time"],
                "stream": row["stream"],
                "class": row["class"],
                "mean": row["boxes"] / frames[row["time"], row["stream"]],
                "most": row["most"],
            }
            for row in rows
        ]

    def event_counts(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        class_: str | None = None,
        zone: str | None = None,
        line: str | None = None,
        kind: str | None = None,
        rule: str | None = None,
        every_s: int = 60,
        newest: int | None = None,
    ) -> list[Row]:
        """How many events began, by time, stream, kind, zone, line, direction and class.

        Args:
            every_s: seconds that a row stands for: whole minutes.
            newest: only those of the newest times; so many rows at least, where there are as many.

        Returns:
            `time` (at which it begins), `stream`, `kind`, `zone`, `line`, `direction`, `class` (None where events name
            none), `events`.
        """
        named = {"stream": stream, "class": class_, "zone": zone, "line": line, "rule": rule}
        groups = "stream, kind, zone, line, direction, class"
        since = self._first("event_count", groups, named, since, until, every_s, newest, kind)
        where = counted(named, since, until, every_s)
        if kind is not None:
            where.also("kind GLOB ?", kind)
        rows = self._ask(
            f"SELECT start / {every_s} * {every_s} AS time, stream, kind, nullif(zone, '') AS zone, "
            "nullif(line, '') AS line, nullif(direction, '') AS direction, nullif(class, '') AS class, "
            f"sum(events) AS events FROM event_count {where} GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7",
            where.values,
        )
        return [dict(row) for row in rows]

    def tracks(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        class_: str | None = None,
        newest: int | None = None,
    ) -> list[Row]:
        """Tracks in order of their last result: `run`, `stream`, `track`, `class`, `score` (the best, and the class of
        that box), `first`, `last` (UTC seconds), `first_seq`, `last_seq`, `frames` (results that it is in)."""
        where = Where({"stream": stream, "class": class_})
        where.between("last", since, until)
        limit = -1 if newest is None else newest
        rows = self._ask(f"SELECT * FROM track {where} ORDER BY last DESC LIMIT ?", (*where.values, limit))
        return [dict(row) for row in reversed(rows)]

    def stages(self, *, since: float | None = None, until: float | None = None, stream: str | None = None) -> list[Row]:
        """What stages did, by minute: `minute`, `stream` ("": all together), `stage`, `asked`, `answered`, `audited`,
        `missed`, `cpu_s`. `asked` and `cpu_s` are known of all streams together only."""
        where = Where({"stream": stream})
        where.between("minute", since, until)
        return [dict(row) for row in self._ask(f"SELECT * FROM stage_minute {where} ORDER BY 1, 2, 3", where.values)]

    def states(self, *, since: float | None = None, until: float | None = None, stream: str | None = None) -> list[Row]:
        """Changes of the states of live streams, seen each half minute: `at`, `stream`, `state`, `detail`."""
        where = Where({"stream": stream})
        where.between("at", since, until)
        return [dict(row) for row in self._ask(f"SELECT * FROM state {where} ORDER BY at, rowid", where.values)]

    def verdicts(
        self, *, since: float | None = None, until: float | None = None, stream: str | None = None
    ) -> list[Row]:
        """What people said of audits, that the last stage was wrong in them: the fields of `verdicts.Verdict`."""
        where = Where({"stream": stream})
        where.between("verdict.at", since, until)
        rows = map(dict, self._ask(ASK_VERDICTS.format(where), where.values))
        return [row | {what: bool(row[what]) for what in ("missed", "false")} for row in rows]

    def marks(
        self,
        *,
        event: str | None = None,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
    ) -> list[Row]:
        """What people said of moments, that they are an event of their own or are not: `id`, and the fields of
        `marks.Mark`. `since` and `until` bound when it was said."""
        where = Where({"event": event, "stream": stream})
        where.between("mark.at", since, until)
        rows = map(dict, self._ask(ASK_MARKS.format(where), where.values))
        return [
            row | {"yes": bool(row["yes"]), "said": None if row["said"] is None else bool(row["said"])} for row in rows
        ]

    def questions(
        self,
        event: str,
        *,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
        newest: int | None = None,
    ) -> Iterator[Row]:
        """The questions about an event of one's own that nobody has answered, in order of time; as `events`."""
        where = Where({"kind": REVIEW, "stream": stream})
        where.between("at", since, until)
        where.also(f"json_extract(data, '$.event') = ? AND {UNANSWERED}", event)
        return map(event_of, self._of(where, newest))

    def run_of(self, id: str) -> str | None:
        """The run of an event, by its `id`: when it began, as its results say; None: there is no such event."""
        rows = self._ask("SELECT run.name FROM event JOIN run ON run.id = event.run WHERE event.id = ?", (id,))
        return str(rows[0]["name"]) if rows else None

    def runs(self) -> list[Row]:
        """Runs in order: `id`, `name` (when it began, as its results say), `began`, `ended` (None: it goes on, or was
        killed), `pipeline`, `version`, `provenance` (the first line of its results), and `positions`: by stream the
        `seq` up to which everything is here."""
        runs = [dict(row) for row in self._ask("SELECT * FROM run ORDER BY id")]
        for run in runs:
            run["provenance"] = json.loads(run["provenance"])
            positions = self._ask("SELECT stream, seq FROM position WHERE run = ?", (run["id"],))
            run["positions"] = {row["stream"]: row["seq"] for row in positions}
        return runs

    def _first(
        self,
        table: str,
        groups: str,
        named: Mapping[str, Any],
        since: float | None,
        until: float | None,
        every_s: int,
        newest: int | None,
        kind: str | None = None,
    ) -> float | None:
        """From when on counts have so many rows at least, read from the newest on: the rest is not looked at."""
        if newest is None:
            return since
        where = counted(named, since, until, every_s)
        if kind is not None:
            where.also("kind GLOB ?", kind)
        # A row stands for `every_s`, and so for no more of the kept ones than that has spans.
        most = newest * (every_s // span_of(every_s))
        kept = f"SELECT DISTINCT start, {groups} FROM {table} {where} ORDER BY start DESC LIMIT ?"
        ((first,),) = self._ask(f"SELECT min(start) FROM ({kept})", (*where.values, most))
        return since if first is None else float(first)

    def _of(self, where: Where, newest: int | None) -> Iterable[sqlite3.Row]:
        if newest is None:
            return self._each(f"{EVENTS} {where} ORDER BY at, rowid", where.values)
        newest_first = f"{EVENTS} {where} ORDER BY at DESC, rowid DESC LIMIT ?"
        return reversed(self._ask(newest_first, (*where.values, newest)))

    def _of_kinds(self, where: Where, kinds: Iterable[sqlite3.Row], newest: int | None) -> Iterator[sqlite3.Row]:
        """The same of each kind, by its index, and from these the newest: a rare kind is found at once."""
        each = [self._of(where.and_also("kind = ?", kind["name"]), newest) for kind in kinds]
        merged = merge(*each, key=itemgetter("at", "rowid"))
        return merged if newest is None else iter(deque(merged, newest))

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return list(self._each(query, values))

    def _each(self, query: str, values: Sequence[Any]) -> Iterator[sqlite3.Row]:
        try:
            rows = self._connection.execute(query, values)
            yield from iter(rows.fetchone, None)  # from the cursor itself it would close that, perhaps after the store
        except sqlite3.Error as error:
            raise ConfigError(meaning(self.path, error)) from None
