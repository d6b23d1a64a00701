"""What is wrong beside a run: a time of day that jumps, a disk that is full, users that cannot be read. What must hold:

- the run goes on, no frame is lost, and the page and its API answer;
- they say what is wrong, in words, and no longer than it is;
- sessions and waits do not depend on the time of day.
"""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.conftest import Browser
from tests.waiting import until
from vidpipe.core.clock import Jumps
from vidpipe.core.errors import ConfigError
from vidpipe.results.store import sink as sink_module
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.testing.clock import HandClock

HOUR_S = 3600
RULED = {
    "streams": {"gate": {"zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}},
    "rules": [{"id": "in", "kind": "zone", "confirm_s": 0}],
}


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(-HOUR_S, HOUR_S)), max_size=10))
def test_law_each_jump_is_seen_once_and_no_passing_of_time_is_one(moves):
    clock = HandClock()
    jumps = Jumps(clock)
    for seconds, by_s in moves:
        clock.turn(seconds)
        jumps.look()
        clock.set_utc(clock.utc() + by_s)
        jumps.look()
        jumps.look()
    expected = [by_s for _, by_s in moves if abs(by_s) > Jumps.LEAST_S]
    seen = [round(jump.by_s) for jump in jumps.seen]
    assert [by_s for by_s in seen if abs(by_s) > Jumps.LEAST_S] == expected
    assert len(jumps.told()) == len(seen)
    clock.turn(Jumps.TOLD_S)
    assert jumps.told() == []


def told(served):
    return served.browser.get("/api/status").json["troubles"]


def test_the_time_of_day_jumps_and_everything_goes_on(serve, tmp_path, users):
    clock, path = HandClock(), tmp_path / "yard.db"
    served = serve(sinks=[StoreSink(StoreConfig(path=str(path)), clock=clock)], store=path, clock=clock, more=RULED)
    users.add_user("ann", "correct horse", "admin", ["*"])
    users.add_user("eve", "correct horse", "viewer", ["gate"])
    served.browser.post("/api/session", {"name": "ann", "password": "correct horse"})
    served.show(10, 20)
    assert told(served) == []
    clock.set_utc(clock.utc() - HOUR_S)
    served.show(30)
    until(lambda: told(served) == ["the time of day was set back by 3600 s"])
    clock.set_utc(clock.utc() + 2 * HOUR_S)
    served.show(40)
    until(lambda: len(told(served)) == 2)
    assert "went forward by 7200 s" in told(served)[1]
    for _ in range(3):
        clock.turn(1)
        served.show(50)
    assert served.browser.get("/api/events").json["events"]
    assert served.browser.post("/api/pause", {"stream": "gate"}).status == 200
    assert served.run.status().streams["gate"].frames_in == 7
    viewer = Browser(served.port)
    viewer.post("/api/session", {"name": "eve", "password": "correct horse"})
    assert viewer.get("/api/status").json["troubles"] == []  # of the whole run: it may say where files lie


@pytest.mark.parametrize(
    ("code", "said"), [(sqlite3.SQLITE_FULL, "the disk is full"), (sqlite3.SQLITE_BUSY, "locked by another program")]
)
def test_a_store_that_cannot_be_written_is_told_of_until_it_can(serve, tmp_path, monkeypatch, code, said):
    clock, path = HandClock(), tmp_path / "yard.db"
    served = serve(sinks=[StoreSink(StoreConfig(path=str(path)), clock=clock)], store=path, clock=clock, more=RULED)

    def fails(*arguments):
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        raise error

    def shown():
        clock.turn(1)
        served.show(10)
        return told(served)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(sink_module, "commit", fails)
        until(shown)
        (trouble,) = told(served)
        assert said in trouble
        assert "events wait" in trouble
        assert served.browser.get("/api/events").json["events"] == []
    until(lambda: not shown())
    assert len(served.browser.get("/api/events").json["events"]) == 1  # it has waited


def test_users_that_cannot_be_read_let_nobody_in_and_say_why(serve, users):
    served = serve()
    users.path.mkdir()
    answer = served.browser.get("/api/status")
    assert (answer.status, "cannot be read: Is a directory" in answer.json["error"]) == (503, True)
    assert served.browser.get("/").status == 200
    served.show(10, 20)
    users.path.rmdir()
    assert served.browser.get("/api/status").json["streams"]["gate"]["frames_in"] == 2


def test_users_that_cannot_be_written_are_told_of_in_words(users, monkeypatch):
    users.path.parent.joinpath("no folder").write_text("")
    monkeypatch.setattr(users, "path", users.path.parent / "no folder" / "users.json")
    with pytest.raises(ConfigError, match=r"no folder.*(cannot|not)"):
        users.add_user("ann", "correct horse", "admin", ["*"])
