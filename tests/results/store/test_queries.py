"""However large a store is, no query reads all of its events: each has an index that leads to what it shows."""

from __future__ import annotations

import sqlite3

import pytest

from tests.results.store.told import event, result, sink
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Phase
from vidpipe.results.store.queries import Store


@pytest.fixture
def file(tmp_path):
    store = sink(tmp_path / "s.db")
    for seq in range(0, 4000, 40):
        named = {"zone": "door", "class": "person"}
        store.write([result(seq, "person", ids=[1])], 0.0)
        store.tell([event(seq, **named), event(seq, "stay", id=f"{seq}", **named)])
        store.tell([event(seq + 20, "stay", id=f"{seq}", phase=Phase.END)] if seq % 400 else [])
    store.close()
    return tmp_path / "s.db"


def plans(connection, work):
    """How SQLite goes about each statement of some work."""
    statements = []
    connection.set_trace_callback(statements.append)
    work()
    connection.set_trace_callback(None)
    asked = [each for each in statements if each.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))]
    assert asked
    return [" ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")) for each in asked]


ASKED = [
    *({name: value} for name, value in [("stream", "gate"), ("zone", "door"), ("class_", "person"), ("kind", "z*")]),
    *({name: value} for name, value in [("rule", "yard"), ("line", "gate"), ("severity", "alert"), ("since", 0.0)]),
    {"kind": "zone.enter", "zone": "door", "class_": "person"},
    {"unended": True},
    {"review": 1},
    {},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_law_no_query_of_the_newest_events_reads_all(file, asked):
    with Store(file) as store:
        found = plans(store._connection, lambda: list(store.events(newest=10, **asked)))  # noqa: SLF001
    assert all("SCAN event" not in plan or "SCAN event USING INDEX" in plan for plan in found), found
    assert all("USE TEMP B-TREE" not in plan or "event_unended" in plan for plan in found), found


def test_no_commit_reads_all_events(file):
    """With thousands that never ended, each new event took a millisecond."""
    store = sink(file)
    connection = store._connection  # noqa: SLF001
    for seq in range(5000, 9000, 400):  # each begins a review
        store.tell([event(seq, zone="door"), event(seq, "stay", id=f"again {seq}")])
        store.tell([event(seq + 9, "stay", phase=Phase.END)])
    found = plans(connection, store.flush)
    assert any("event_unended" in plan for plan in found)
    assert all("SCAN event" not in plan for plan in found), found
    store.close()


def test_all_events_come_one_by_one_and_in_order(file):
    with Store(file) as store:
        everything = list(store.events())
        assert [each["time"] for each in everything] == sorted(each["time"] for each in everything)
        assert list(store.events(kind="*")) == everything
        assert list(store.events(newest=7)) == list(store.events(kind="*", newest=7)) == everything[-7:]
        assert list(store.events(kind="no.*")) == []
        assert {each["kind"] for each in store.events(unended=True)} == {"stay"}
        (review, *_) = store.reviews()
        assert len(list(store.events(review=review["id"]))) == review["events"]


def test_counts_are_of_whole_minutes(file):
    with Store(file) as store:
        for every_s in (0, 30, 90):
            with pytest.raises(ConfigError, match=f"counts are kept by minute: {every_s} s must be whole minutes"):
                store.counts(every_s=every_s)
        hourly = store.event_counts(every_s=3600)
        assert sum(each["events"] for each in hourly) == sum(each["events"] for each in store.event_counts())
        first = min(each["time"] for each in hourly)
        assert store.event_counts(every_s=3600, since=first + 10, until=first + 20) == [
            each for each in hourly if each["time"] == first
        ]


@pytest.mark.parametrize("every_s", [60, 120, 3600, 7200])
def test_the_newest_counts_are_the_last_of_all(file, every_s):
    """So many rows or more, of whole times; and no more is read for them than that."""
    with Store(file) as store:
        for ask in (store.counts, store.event_counts):
            rows = ask(every_s=every_s)
            for newest in (1, 2, 7, len(rows), len(rows) + 1):
                found = ask(every_s=every_s, newest=newest)
                assert found == rows[len(rows) - len(found) :]
                assert len(found) >= min(newest, len(rows))
                assert len({row["time"] for row in found}) <= 2 * newest
        found = plans(store._connection, lambda: store.counts(newest=5))  # noqa: SLF001
        assert all("USING PRIMARY KEY" in plan for plan in found), found


def test_asking_changes_nothing(file):
    with Store(file) as store, pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection.execute("DELETE FROM event")  # noqa: SLF001
