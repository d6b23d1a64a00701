"""What a store lets go: by age each class for itself, under pressure in their order; and a disk that is full."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import replace

import pytest

from tests.results.store.told import PROVENANCE, event, result, sink
from vidpipe.core.errors import RunError
from vidpipe.results.store import retention
from vidpipe.results.store import sink as module
from vidpipe.results.store.queries import Store
from vidpipe.results.store.retention import PRESSURE
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.testing.clock import HandClock

DAY_S = 86400
NOW = 1_800_000_000.0
REPORT = {
    "streams": {"gate": {"by": {"big": 1}, "audits": {}, "health": {"state": "live", "detail": ""}}},
    "stages": {"big": {"asked": 1, "answered": 1, "cpu_ms": 1.0}},
}


def begun(file, clock, **settings):
    store = StoreSink(StoreConfig(path=str(file), **settings), clock=clock)
    store.begin(PROVENANCE)
    return store


def fill(store, clock, days):
    """A row of each class on each of the last so many days."""
    for number in range(days):
        at = NOW - (days - 1 - number) * DAY_S
        clock.set_utc(at)
        stages = {"big": {**REPORT["stages"]["big"], "asked": number + 1, "answered": number + 1}}
        health = {"state": "live" if number % 2 else "stalled", "detail": ""}
        stream = {"by": {"big": number + 1}, "audits": {}, "health": health}
        store.report({"streams": {"gate": stream}, "stages": stages})
        store.write([result(number, "person", ids=[number])._replace(captured_at=at)], 0.0)
        for kind in ("notice", "alert"):
            store.tell([replace(event(number, kind, severity=kind), at=at)])


def left(file):
    """How many days are left of each class."""
    connection = sqlite3.connect(file)

    def count(table, which="1"):
        return connection.execute(f"SELECT count(*) FROM {table} WHERE {which}").fetchone()[0]

    days = {
        "stages": count("state"),
        "minutes": count("class_count", "span = 60"),
        "tracks": count("track"),
        "hours": count("stream_count", "span = 3600"),
        "notices": count("event", "severity = 'notice'"),
        "alerts": count("event", "severity = 'alert'"),
    }
    connection.close()
    return days


@pytest.mark.parametrize("kept", PRESSURE)
def test_each_class_goes_at_its_own_age(tmp_path, kept):
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock, keep_days={kept: 3.5})
    fill(store, clock, 10)
    store.flush()
    store.close()
    assert left(tmp_path / "s.db") == {**dict.fromkeys(PRESSURE, 10), kept: 4}


def test_law_under_pressure_the_least_goes_first_and_its_oldest_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 1)
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock)
    fill(store, clock, 6)
    store.flush()
    connection = sqlite3.connect(tmp_path / "s.db")
    states = [left(tmp_path / "s.db")]
    while retention.delete_oldest(connection):
        connection.commit()
        states.append(left(tmp_path / "s.db"))
    for before, after in itertools.pairwise(states):
        touched = [PRESSURE.index(kept) for kept in PRESSURE if after[kept] < before[kept]]
        for index in touched:
            assert all(before[kept] == 0 or PRESSURE.index(kept) in touched for kept in PRESSURE[:index])
        assert all(after[kept] <= before[kept] for kept in PRESSURE)
    assert states[-1] == dict.fromkeys(PRESSURE, 0)
    alerts = [state["alerts"] for state in states]
    assert alerts == sorted(alerts, reverse=True)
    connection.close()
    store.close()


def test_a_store_keeps_to_its_size_and_its_newest_alerts(tmp_path, caplog):
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock, max_mb=2)
    for number in range(40):
        at = NOW + 60 * number
        data = {"severity": "notice" if number % 4 else "alert", "note": "x" * 300}
        store.write([result(number)._replace(captured_at=at)], 0.0)
        for each in range(150):
            store.tell([replace(event(number, id=f"{number}.{each}", **data), at=at + each / 10)])
        store.flush()
    assert "lets its oldest rows go, as its settings say" in caplog.text
    assert store.counts["deleted"] > 0
    store.close()
    assert (tmp_path / "s.db").stat().st_size < 3e6
    with Store(tmp_path / "s.db") as asked:
        alerts = [each["seq"] for each in asked.events(severity="alert")]
        notices = [each["seq"] for each in asked.events(severity="notice")]
    assert alerts.count(36) == 150
    assert notices == [] or max(notices) == 39
    assert alerts == sorted(alerts)


def full_disk(store, pages_more=0):
    """As many pages as the file has: SQLite says of more what it says of a full disk."""
    connection = store._connection  # noqa: SLF001
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + pages_more}")


def test_on_a_full_disk_the_oldest_go_and_the_run_goes_on(tmp_path):
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock)
    for number in range(30):
        store.tell([event(number, id=f"{number}.{each}", note="x" * 300) for each in range(100)])
    store.flush()
    full_disk(store)
    for number in range(30, 60):
        store.tell([event(number, id=f"{number}.{each}", note="x" * 300) for each in range(100)])
        store.flush()
    assert store.counts["lost"] == 0
    assert store.counts["deleted"] > 0
    store.close()
    with Store(tmp_path / "s.db") as asked:
        assert [each["seq"] for each in asked.events()][-1] == 59


def test_a_disk_that_stays_full_is_told_of_and_what_waits_is_bounded(tmp_path, monkeypatch, caplog):
    """Nothing may go any more: events wait, the oldest are lost and counted, and are there when there is room again."""
    monkeypatch.setattr(module, "LIMIT", 50)
    monkeypatch.setattr(retention, "delete_oldest", lambda connection: 0)
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock)
    full_disk(store)
    for number in range(100):
        store.write([result(number)], 0.0)
        store.tell([event(number, note="x" * 3000)])
        clock.turn(1)
    assert caplog.text.count("cannot be written: the disk is full; the run goes on, and events wait, 50 at most") == 1
    assert store.flush() == {"gate": 0}
    assert store.counts["lost"] == 49
    full_disk(store, pages_more=1000)
    assert store.flush() == {"gate": 99}
    assert "is written again; 49 events were lost" in caplog.text
    store.close()
    with Store(tmp_path / "s.db") as asked:
        assert [each["seq"] for each in asked.events()] == [0, *range(50, 100)]


def test_what_is_lost_at_the_end_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "delete_oldest", lambda connection: 0)
    store = begun(tmp_path / "s.db", HandClock())
    full_disk(store)
    store.tell([event(number, note="x" * 3000) for number in range(10)])
    with pytest.raises(RunError, match="cannot be written: the disk is full; 10 events were not stored"):
        store.close()


def test_a_store_that_is_locked_for_a_while_loses_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("vidpipe.results.store.file.WAIT_S", 0.01)
    clock = HandClock()
    store = begun(tmp_path / "s.db", clock)
    holder = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for number in range(5):
        store.write([result(number)], 0.0)
        store.tell([event(number)])
        clock.turn(1)
    assert "is locked by another program" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    assert store.flush() == {"gate": 4}
    store.close()
    with Store(tmp_path / "s.db") as asked:
        assert len(list(asked.events())) == 5


def test_a_store_that_is_damaged_while_it_is_written_ends_the_run(tmp_path):
    """Nobody would notice that nothing is stored any more."""
    store = sink(tmp_path / "s.db")
    store.tell([event(number, note="x" * 3000) for number in range(100)])
    store.flush()
    connection = store._connection  # noqa: SLF001
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "s.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200_000)
    connection.execute("PRAGMA shrink_memory")
    connection.execute("PRAGMA cache_size = 0")
    store.tell([event(number, id=f"{number}") for number in range(100, 200)])
    with pytest.raises(RunError, match="is damaged: move it away"):
        store.flush()
    connection.close()
