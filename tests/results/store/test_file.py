"""Files that are no store, or none that may be used: what is wrong and what to do, in a line; nothing is changed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.results.store.told import PROVENANCE, event, result, sink
from vidpipe.core.errors import ConfigError
from vidpipe.results.store import file as module
from vidpipe.results.store.file import MIGRATIONS, default_path, open_to_read, open_to_write
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink


@pytest.fixture
def store(tmp_path):
    """The file of a store with an event."""
    made = sink(tmp_path / "s.db")
    made.write([result(0)], 0.0)
    made.tell([event(0)])
    made.close()
    return tmp_path / "s.db"


def newer(file):
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def of_another_program(file):
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE bookmark (address TEXT)")
    connection.close()


def no_database(file):
    file.write_text("a text of some length, which is not what SQLite writes\n" * 100)


def damaged(file):
    content = bytearray(file.read_bytes())
    content[100:8192] = os.urandom(8092)
    file.write_bytes(content)


def cut_off(file):
    file.write_bytes(file.read_bytes()[:6000])


WRONG = [
    (
        newer,
        r"was written by a newer vidpipe \(tables of version 99, known up to \d+\): update vidpipe, or take another",
    ),
    (of_another_program, "is an SQLite file of another program; take another file"),
    (no_database, "is no SQLite file; take another file"),
    (damaged, "is damaged: move it away, and save what can be read by `sqlite3 .* .recover | sqlite3 NEW.db`"),
    (cut_off, "is damaged: move it away"),
]


@pytest.mark.parametrize(("spoil", "said"), WRONG)
@pytest.mark.parametrize("opens", [open_to_write, open_to_read])
def test_what_is_wrong_is_said_and_nothing_changed(store, spoil, said, opens):
    spoil(store)
    before = store.read_bytes()
    with pytest.raises(ConfigError, match=rf"^store {store} {said}"):
        opens(store)
    assert store.read_bytes() == before


@pytest.mark.parametrize("opens", [open_to_write, open_to_read])
def test_a_folder_that_is_not_there(tmp_path, opens):
    with pytest.raises(ConfigError, match=r"^store .*nowhere/s.db"):
        opens(tmp_path / "nowhere" / "s.db")


def test_a_store_that_is_not_there_is_not_made_by_asking(tmp_path):
    with pytest.raises(ConfigError, match=r": there is none; `vidpipe run --store .*s.db` makes one$"):
        Store(tmp_path / "s.db")
    assert not (tmp_path / "s.db").exists()


def test_one_that_another_program_holds(store, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    begun = StoreSink(StoreConfig(path=str(store)))
    with pytest.raises(ConfigError, match="is locked by another program; end it, or take another file"):
        begun.begin(PROVENANCE)
    with Store(store) as asked:  # who asks is not kept from it
        assert len(list(asked.events())) == 1
    holder.close()


def test_tables_of_an_earlier_vidpipe_are_brought_up_to_date(store):
    """All steps or none; what was stored stays."""
    broken = (*MIGRATIONS, "ALTER TABLE event ADD COLUMN seen_by TEXT; CREATE TABLE event (again TEXT)")
    with pytest.raises(ConfigError):
        open_to_write(store, broken)
    connection = open_to_write(store, (*MIGRATIONS, "ALTER TABLE event ADD COLUMN seen_by TEXT"))
    assert connection.execute("SELECT seen_by, kind FROM event").fetchall() == [(None, "zone.enter")]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.close()
    with pytest.raises(ConfigError, match="newer vidpipe"):
        Store(store)


def test_asking_an_earlier_vidpipes_says_what_brings_it_up_to_date(store, monkeypatch):
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x)"))
    with pytest.raises(ConfigError, match=r"is of an earlier vidpipe: `vidpipe run --store .*` brings it up to date"):
        Store(store)


def test_an_empty_file_becomes_a_store(tmp_path):
    """As `mktemp` leaves it."""
    (tmp_path / "s.db").touch()
    sink(tmp_path / "s.db").close()
    with Store(tmp_path / "s.db") as asked:
        assert len(asked.runs()) == 1


def test_where_a_store_is_that_nobody_names(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("VIDPIPE_STORE", raising=False)
    store = StoreSink()
    store.begin(PROVENANCE)
    store.close()
    assert (tmp_path / "data" / "vidpipe" / "store.db").is_file()
    monkeypatch.setenv("VIDPIPE_STORE", str(tmp_path / "other.db"))
    assert default_path() == tmp_path / "other.db"
    with pytest.raises(ConfigError, match=r"other.db: there is none"):
        Store()


def test_two_runs_share_a_store(tmp_path):
    """Of two pipelines, or of two vidpipes at the same time."""
    one = sink(tmp_path / "s.db")
    other = StoreSink(StoreConfig(path=str(tmp_path / "s.db")))
    other.begin({**PROVENANCE, "start": "2026-11-29T18:00:00.000+00:00"})
    for store in (one, other, one):
        store.write([result(0)], 0.0)
        store.tell([event(0)])
        store.flush()
    one.close()
    other.close()
    with Store(Path(tmp_path / "s.db")) as asked:
        assert len(list(asked.events())) == 2
        assert [run["positions"] for run in asked.runs()] == [{"gate": 0}, {"gate": 0}]


@pytest.mark.parametrize("kind", [None, "*"])
def test_reading_may_be_left_off_after_the_store_is_closed(store, kind):
    """As a command does whose output nobody reads any longer."""
    with Store(store) as opened:
        events = opened.events(kind=kind)
        assert next(events)["stream"]
    del events  # an error in a generator that is thrown away is a warning, which fails a test
