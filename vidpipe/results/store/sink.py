"""The sink that keeps events, and what results come to, in a store."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.event import Event
from vidpipe.core.files import make_folder
from vidpipe.core.settings import StageConfig
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.store import retention
from vidpipe.results.store.commit import RunRow, begin_run, commit, end_run, transaction
from vidpipe.results.store.events import Rules
from vidpipe.results.store.file import default_path, meaning, open_to_write, primary_code
from vidpipe.results.store.marks import AUDITED
from vidpipe.results.store.minutes import StageMinutes
from vidpipe.results.store.pending import Gatherer, Happened, Pending
from vidpipe.results.store.retention import Kept
from vidpipe.transforms.learnt.audited import Audited

log = logging.getLogger(__name__)

COMMIT_EVERY_S = 0.5  # what a run that is killed loses
LIMIT = 20_000  # events that wait while the store cannot be written
_PASSES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class StoreConfig(StageConfig):
    path: str | None = Field(
        default=None, description="the file; default: `$VIDPIPE_STORE`, or `~/.local/share/vidpipe/store.db`"
    )
    keep_days: dict[Kept, Annotated[float, Field(gt=0)]] = Field(
        default={},
        description="age at which stages, minutes, tracks, hours, notices, alerts go; default: none",
    )
    max_mb: float = Field(
        default=2000, ge=1, description="megabytes that the file may fill; beyond, the oldest go, in that order"
    )
    alerts: list[str] = Field(
        default=["zone.dwell", "occupancy", "absence"],
        description="kinds of events, patterns with `*`, that make a review an alert, where an event has no `severity`",
    )
    review_gap_s: float = Field(default=10, ge=0, description="without an event, after which another review begins")

    @property
    def file(self) -> Path:
        """The file that is meant."""
        return default_path() if self.path is None else Path(self.path).expanduser()


class StoreSink(Sink):
    """Keeps events, reviews, tracks, and counts by minute in one SQLite file; docs/store.md has its tables.

    Rows are committed together with the position up to which each stream is stored, twice a second. So after any end,
    by kill -9 too, every event up to that position is there once, and none beyond it.

    Args:
        config: its settings, where it is not made by a pipeline.
    """

    Config = StoreConfig

    def __init__(self, config: StoreConfig | None = None, *, clock: Clock = REAL) -> None:
        self.config: StoreConfig = config or StoreConfig()
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._run = RunRow(0, 0.0, {})
        self._name = ""
        self._rules = Rules((), 0.0)
        self._gatherer = Gatherer(0.0)
        self._stages = StageMinutes()
        self._pending = Pending()
        self._counts: Counter[str] = Counter(stored=0, ignored=0, lost=0, deleted=0)
        self._positions: dict[str, int] = {}
        self._committed_at = 0.0
        self._audited: Mapping[tuple[str, str], Audited] = {}
        self._failing = ""  # why what is pending could not be written the last time

    def __str__(self) -> str:
        return f"store {self.config.file}"

    def try_out(self, event: Mapping[str, Any]) -> str:
        """See whether the file can be written; the event is not kept. Raises ConfigError."""
        if self.config.path is None:
            make_folder(self.config.file.parent)
        try:
            with closing(open_to_write(self.config.file)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO kind VALUES (?, 0) ON CONFLICT DO NOTHING", (event["kind"],))
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise ConfigError(meaning(self.config.file, error)) from None
        return "can be written; the event is not kept"

    @property
    def counts(self) -> Mapping[str, int]:
        """Events: `stored`, `ignored` as they were there already, `lost`; and rows that were `deleted`."""
        return self._counts

    @property
    def audited(self) -> Mapping[tuple[str, str], Audited]:
        return self._audited

    @property
    def trouble(self) -> str:
        return f"{self._failing}: {len(self._pending.events)} events wait, {LIMIT} at most" if self._failing else ""

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open the file. Raises ConfigError: it is no store, of a newer vidpipe, damaged, or locked."""
        path = self.config.file
        if self.config.path is None:
            make_folder(path.parent)
        self._connection = open_to_write(path)
        try:
            self._run = begin_run(self._connection, provenance)
        except sqlite3.Error as error:
            raise ConfigError(meaning(path, error)) from None
        self._read_audited()
        self._name = str(provenance["start"])
        self._rules = Rules(self.config.alerts, self.config.review_gap_s)
        self._gatherer = Gatherer(self._run.began)
        self._committed_at = self._clock.monotonic()

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Count results. What came before is complete now, with its events, and is committed when that is due."""
        if self._clock.monotonic() - self._committed_at >= COMMIT_EVERY_S:
            self._commit()
        stored = self._run.stored
        for result in results:
            if result.seq > stored.get(result.stream, -1):
                self._gatherer.add(result, self._pending)

    def tell(self, events: Sequence[Event]) -> None:
        """Take events; those of results that are stored already are ignored."""
        for event in events:
            if event.seq <= self._run.stored.get(event.stream, -1):
                self._counts["ignored"] += 1
                continue
            at = self._gatherer.time_of(event.at, event.pts)
            self._pending.events.append(Happened(at, as_json(event, self._name)))
        if (beyond := len(self._pending.events) - LIMIT) > 0:
            del self._pending.events[:beyond]
            self._counts["lost"] += beyond

    def report(self, report: Mapping[str, Any]) -> None:
        """Take what stages have counted, and the states of streams, as far as they have changed."""
        stages, states = self._stages.changes(report, self._clock.utc())
        self._pending.stages += stages
        self._pending.states += states

    def flush(self) -> Mapping[str, int]:
        """Commit, also against a loss of power, and delete what has to go."""
        connection = self._opened
        connection.execute("PRAGMA synchronous = FULL")
        self._commit()
        connection.execute("PRAGMA synchronous = NORMAL")
        if not self._failing:
            self._make_room()
            self._read_audited()
        return dict(self._positions)

    def close(self) -> None:
        """Commit what is left, and note the end of the run."""
        if self._connection is None:
            return
        try:
            self._commit()
            if self._failing:
                self._counts["lost"] += len(self._pending.events)
                raise RunError(f"{self._failing}; {self._counts['lost']} events were not stored")
            end_run(self._connection, self._run.id, self._clock.utc())
        except sqlite3.Error as error:
            raise RunError(meaning(self.config.file, error)) from None
        finally:
            self._connection.close()
            self._connection = None

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "begin comes first"
        return self._connection

    def _commit(self) -> None:
        """Write what is pending; on a full disk room is made, and what cannot be written now waits for the next time.

        Raises:
            RunError: it will never be written: the file is damaged, or was moved.
        """
        self._committed_at = self._clock.monotonic()
        if not self._pending:
            return
        try:
            try:
                commit(self._opened, self._run, self._pending, self._rules)
            except sqlite3.OperationalError as error:
                if primary_code(error) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                    raise
                self._counts["deleted"] += self._relieved()
                commit(self._opened, self._run, self._pending, self._rules)
        except sqlite3.Error as error:
            self._fail(error)
            return
        if self._failing:
            log.warning("store %s is written again; %d events were lost", self.config.file, self._counts["lost"])
            self._failing = ""
        self._counts["stored"] += len(self._pending.events)
        self._positions |= {stream: seq for stream, (seq, _) in self._pending.positions.items()}
        self._pending = Pending()

    def _relieved(self) -> int:
        """Delete some of what matters least, for a disk that is full; how many rows went."""
        with transaction(self._opened):
            return retention.delete_oldest(self._opened)

    def _fail(self, error: sqlite3.Error) -> None:
        why = meaning(self.config.file, error)
        if primary_code(error) not in _PASSES:
            raise RunError(why) from None
        if not self._failing:
            log.warning("%s; the run goes on, and events wait, %d at most", why, LIMIT)
        self._failing = why

    def _read_audited(self) -> None:
        """Take up what people have answered meanwhile."""
        try:
            rows = self._opened.execute(AUDITED).fetchall()
        except sqlite3.Error as error:
            self._fail(error)
            return
        self._audited = {(stream, classifier): Audited(*counts) for stream, classifier, *counts in rows}

    def _make_room(self) -> None:
        config, connection = self.config, self._opened
        try:
            deleted = retention.delete_old(connection, config.keep_days, self._clock.utc())
            deleted += retention.relieve(connection, config.max_mb * 1e6)
        except sqlite3.Error as error:
            self._fail(error)
            return
        if deleted and not self._counts["deleted"]:
            log.warning("store %s lets its oldest rows go, as its settings say", config.file)
        self._counts["deleted"] += deleted
