"""What the page tells of a store. What must hold:

- every event and review is on exactly one page of answers, newest first, whatever falls on the same moment;
- a file is given only where the store names it, the media folder holds it and it is called as ours are;
- a viewer gets nothing of cameras that are not theirs;
- a store that is locked, or no store, is told in words, and the run goes on.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.conftest import Browser, grey_of
from tests.waiting import until
from vidpipe.results.store.file import open_to_write
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.serve.api.store import paged


@pytest.fixture
def kept(serve, tmp_path):
    """Two cameras, at each of which somebody has been seen, kept with a picture."""
    path, folder = tmp_path / "yard.db", tmp_path / "media"
    served = serve(
        "gate",
        "yard",
        sinks=[StoreSink(StoreConfig(path=str(path)))],
        store=path,
        media=folder,
        more={
            "streams": {name: {"zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}} for name in ("gate", "yard")},
            "rules": [{"id": "in", "kind": "zone", "confirm_s": 0}],
            "media": {"folder": str(folder), "clips": False, "pictures": "frame"},
        },
    )

    def both():
        """Rows are written with the results behind them."""
        for stream in ("gate", "yard"):
            served.show(50, stream=stream)
        return len(served.browser.get("/api/events").json["events"]) == 2

    until(both)
    return served, path, folder


def test_events_and_their_pictures(kept):
    served, path, _ = kept
    told = served.browser.get("/api/events").json
    with Store(path) as store:
        known = [event["id"] for event in store.events()]
    assert {event["id"] for event in told["events"]} == {*known}
    assert told["next"] is None
    assert [event["stream"] for event in served.browser.get("/api/events", stream="yard").json["events"]] == ["yard"]
    assert served.browser.get("/api/events", kind="line.*").json["events"] == []
    event = told["events"][0]
    assert event["snapshot"] is True  # where it lies is nobody's business
    picture = until_there(served.browser, event["id"])
    assert abs(grey_of(picture.body) - 50) <= 1
    assert picture.headers["content-type"] == "image/jpeg"
    assert served.browser.get("/api/event/clip", id=event["id"]).status == 404
    (review,) = served.browser.get("/api/reviews", stream=event["stream"]).json["reviews"]
    assert review["picture"] == event["id"]
    assert served.browser.get("/api/counts", every=60).json["counts"][0]["class"] == "person"
    assert {row["events"] for row in served.browser.get("/api/event-counts").json["counts"]} == {1}


def until_there(browser, id, **options):
    until(lambda: browser.get("/api/event/picture", id=id, **options).status == 200)
    return browser.get("/api/event/picture", id=id, **options)


def test_odd_times_are_refused_in_words(serve, tmp_path):
    open_to_write(tmp_path / "yard.db").close()
    browser = serve(store=tmp_path / "yard.db").browser
    for what in ("events", "reviews", "counts", "event-counts"):
        for time in ("6e258", "-1", "nan", "inf", "yesterday"):
            assert browser.get(f"/api/{what}", since=time).status == 422
            assert browser.get(f"/api/{what}", until=time).status == 422
        assert browser.get(f"/api/{what}", since=0, until=1e11).status == 200


def test_no_other_file_is_given(kept, tmp_path):
    served, path, folder = kept
    id = served.browser.get("/api/events").json["events"][0]["id"]
    until_there(served.browser, id)
    (tmp_path / "101010.000-x.jpg").write_bytes(b"of somebody else")
    (folder / "private.jpg").write_bytes(b"not called as ours are")
    (folder / "101010.000-link.jpg").symlink_to("/etc/passwd")
    for named in (
        "/etc/passwd",
        str(tmp_path / "101010.000-x.jpg"),
        f"{folder}/../101010.000-x.jpg",
        str(folder / "private.jpg"),
        str(folder / "101010.000-link.jpg"),
        str(folder / "101010.000-gone.jpg"),
    ):
        with closing(sqlite3.connect(path)) as store, store:
            store.execute("UPDATE event SET data = json_set(data, '$.snapshot', ?) WHERE id = ?", (named, id))
        answer = served.browser.get("/api/event/picture", id=id)
        assert answer.status == 404, named
        assert str(tmp_path) not in answer.body.decode()
    for other in ("../../etc/passwd", "", "%", "x" * 2001, "' OR 1=1 --"):
        assert served.browser.get("/api/event/picture", id=other).status in (404, 422)


def test_a_viewer_gets_nothing_of_other_cameras(kept, users):
    served, _, _ = kept
    id = next(e["id"] for e in served.browser.get("/api/events").json["events"] if e["stream"] == "yard")
    users.add_user("eve", "correct horse", "viewer", ["gate"])
    browser = Browser(served.port)
    assert browser.post("/api/session", {"name": "eve", "password": "correct horse"}).status == 200
    for asked in ({}, {"stream": "gate"}):
        assert {event["stream"] for event in browser.get("/api/events", **asked).json["events"]} == {"gate"}
        assert {review["stream"] for review in browser.get("/api/reviews", **asked).json["reviews"]} == {"gate"}
    assert browser.get("/api/events", stream="yard").json["events"] == []
    for what in ("counts", "event-counts"):
        assert {row["stream"] for row in browser.get(f"/api/{what}").json["counts"]} == {"gate"}
    assert browser.get("/api/event", id=id).status == 404
    assert browser.get("/api/event/picture", id=id).status == 404


def test_a_store_that_is_locked_or_none_is_told_and_the_run_goes_on(serve, tmp_path):
    path = tmp_path / "yard.db"
    with closing(open_to_write(path)) as store:
        store.execute("PRAGMA journal_mode = DELETE")
    served = serve(store=path)
    assert served.browser.get("/api/events").json == {"events": [], "next": None}
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = served.browser.get("/api/events")
        assert (answer.status, "locked" in answer.json["error"]) == (503, True)
        served.show(60, 60)
        other.execute("ROLLBACK")
    assert served.browser.get("/api/events").status == 200
    path.write_bytes(b"no SQLite file any more" * 1000)
    answer = served.browser.get("/api/events")
    assert (answer.status, "is no SQLite file" in answer.json["error"]) == (503, True)


def test_where_nothing_is_kept_that_is_told(serve):
    answer = serve().browser.get("/api/events")
    assert (answer.status, "--store" in answer.json["error"]) == (404, True)


@given(
    times=st.lists(st.integers(0, 6).map(float), max_size=30),
    streams=st.integers(1, 3),
    most=st.integers(1, 7),
    unrestricted=st.booleans(),
)
@settings(deadline=None)
def test_each_row_is_on_exactly_one_page(times, streams, most, unrestricted):
    """Args: `streams` of which rows are asked for one by one, or all at once."""
    rows = [{"id": number, "stream": str(number % streams), "time": at} for number, at in enumerate(times)]

    def ask(stream, since, until, newest):
        found = [
            row
            for row in sorted(rows, key=lambda row: row["time"])
            if stream in (None, row["stream"])
            and (since is None or row["time"] >= since)
            and (until is None or row["time"] < until)
        ]
        return iter(found if newest is None else found[-newest:])

    names = [None] if unrestricted else [str(number) for number in range(streams)]
    seen, until_ = [], None
    for _ in range(len(rows) + 1):
        page, until_ = paged(ask, names, "time", None, until_, most)
        seen += page
        if until_ is None:
            break
    assert sorted(row["id"] for row in seen) == [row["id"] for row in rows]
    assert [row["time"] for row in seen] == sorted((row["time"] for row in seen), reverse=True)
    json.dumps(seen)


def test_the_camera_graph_shows_what_one_may_see(kept, users):
    served, path, _ = kept
    with closing(sqlite3.connect(path, timeout=10)) as store, store:
        store.execute("DELETE FROM track")
        store.execute("DELETE FROM embedding")
        for person in range(12):
            vector = np.random.default_rng(person).normal(size=16).astype("<f2").tobytes()
            for stream, at in (("gate", person * 1000.0), ("yard", person * 1000.0 + 40)):
                times = (at, 1, at + 10, 2)
                store.execute(
                    "INSERT INTO track VALUES (1, ?, ?, ?, ?, ?, ?, 'person', 1, 9)", (stream, person, *times)
                )
                row = (1, stream, person, at, at + 10, "looks@1", 16, 1, vector)
                store.execute("INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    told = served.browser.get("/api/cameras/graph").json
    (way,) = told["paths"]
    assert (way["from"], way["to"], way["share"], way["count"]) == ("gate", "yard", 1.0, 12)
    assert way["earliest_s"] <= 30 <= way["latest_s"]
    users.add_user("eve", "correct horse", "viewer", ["gate"])
    browser = Browser(served.port)
    browser.post("/api/session", {"name": "eve", "password": "correct horse"})
    restricted = browser.get("/api/cameras/graph").json
    assert (restricted["cameras"], restricted["paths"]) == (["gate"], [])


def test_objects_alike_are_found_over_all_cameras_that_one_may_see(kept, users):
    served, path, _ = kept
    ids = {event["stream"]: event["id"] for event in served.browser.get("/api/events").json["events"]}
    answer = served.browser.get("/api/alike", id=ids["gate"])
    assert (answer.status, "is not stored" in answer.json["error"]) == (404, True)  # nobody has described it
    with closing(sqlite3.connect(path, timeout=10)) as store, store:
        for stream in ids:
            vector = np.array([1, 0.5], "<f2").tobytes()
            row = (1, stream, 7, 0.0, 4e9, "looks@1", 2, 1, vector)
            store.execute("INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    (found,) = served.browser.get("/api/alike", id=ids["gate"]).json["events"]
    assert (found["id"], found["likeness"], found["snapshot"]) == (ids["yard"], 1.0, True)
    assert served.browser.get("/api/alike", id="../../etc/passwd").status == 404
    users.add_user("eve", "correct horse", "viewer", ["gate"])
    browser = Browser(served.port)
    browser.post("/api/session", {"name": "eve", "password": "correct horse"})
    assert browser.get("/api/alike", id=ids["gate"]).json["events"] == []
    assert browser.get("/api/alike", id=ids["yard"]).status == 404
