"""`vidpipe follow-up` and `vidpipe cameras graph` on a store: what they print, and what they say of what cannot be."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from tests.results.store.told import PROVENANCE, event, result
from vidpipe.across.tracks import read, without_margin
from vidpipe.cli.commands.across import AcrossOptions, FollowOptions, follow_up, show_graph
from vidpipe.core.errors import ConfigError
from vidpipe.results.store.sink import StoreConfig, StoreSink

EMBEDDER = {
    **PROVENANCE,
    "settings": {"transforms": {"d": {"type": "vidpipe.transforms.describe:Describe", "model": "looks", "alike": 0.3}}},
    "models": {"looks": {"path": "models/looks.xml", "sha256": {}}},
}
PEOPLE, PICTURE_S = 30, 0.1


def looks(person: int) -> np.ndarray:
    vector = np.random.default_rng(person).normal(size=32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    """Thirty people, of whom each passes gate, and 30 s later yard; a run that has ended."""
    sink = StoreSink(StoreConfig(path=str(tmp_path / "s.db")))
    sink.begin(EMBEDDER)
    for person in range(PEOPLE):
        for stream, at in (("gate", 1 + person * 60), ("yard", 36 + person * 60)):
            for seq in (at * 10, at * 10 + 50):
                seen = result(seq, "person", stream=stream, ids=[person])
                seen.answer.detections.data["embedding"] = looks(person)[None]
                sink.write([seen], 0.0)
            sink.tell([event(at * 10 + 50, id=f"{stream}{person}", stream=stream, track_id=person)])
    sink.write([result(PEOPLE * 600 + 9000, "person", stream="roof", ids=[1])], 0.0)
    sink.close()
    return tmp_path / "s.db"


def event_id(store, stream: str, person: int) -> str:
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT id FROM event WHERE id LIKE ?", (f"%{stream}{person}",)).fetchone()[0]


def test_the_graph(store, capsys):
    assert show_graph(AcrossOptions(store, json=True)) == 0
    rows = {(row["from"], row["to"]): row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(rows) == {("gate", "yard")}
    path = rows["gate", "yard"]
    assert path["share"] == 1.0
    assert path["count"] == PEOPLE
    assert path["low"] < 1.0 <= path["high"]
    assert path["earliest_s"] < 30 < path["latest_s"]
    assert show_graph(AcrossOptions(store)) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["from", "to", "share", "95", "%", "count", "takes"]


def test_who_is_followed(store, capsys):
    begin = event_id(store, "gate", 7)
    assert follow_up(FollowOptions(begin), AcrossOptions(store, json=True)) == 0
    out, err = capsys.readouterr()
    (row,) = map(json.loads, out.splitlines())
    assert (row["camera"], row["track_id"], row["found"]) == ("yard", 7, "likely")
    assert row["likeness"] == pytest.approx(1.0, abs=1e-3)
    assert "likeness 0.70" in err
    assert "not seen again within 10m of leaving yard" in err
    assert "0 of them computed" in err


def test_who_is_not_seen_again(store, capsys):
    assert follow_up(FollowOptions(event_id(store, "yard", 29)), AcrossOptions(store)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "not seen again" in err


def test_a_clock_is_set_right(store, capsys):
    assert show_graph(AcrossOptions(store, json=True, clock_offset=["yard=20"])) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["latest_s"] < 15


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (FollowOptions("nobody"), "no event 'nobody' in the store, and no picture"),
        (FollowOptions("nobody", camera="gaet"), "no camera of that name; did you mean 'gate'"),
    ],
)
def test_what_is_not_there(store, asked, message):
    with pytest.raises(ConfigError, match=message):
        follow_up(asked, AcrossOptions(store))


def test_a_picture_needs_a_camera(store, tmp_path):
    (tmp_path / "him.jpg").write_bytes(b"")
    with pytest.raises(ConfigError, match="--from is missing"):
        follow_up(FollowOptions(str(tmp_path / "him.jpg")), AcrossOptions(store))
    with pytest.raises(ConfigError, match=r"him\.jpg cannot be read"):
        follow_up(FollowOptions(str(tmp_path / "him.jpg"), "gate"), AcrossOptions(store))


def test_an_offset_of_no_camera(store):
    with pytest.raises(ConfigError, match="--clock-offset: there is no camera 'yrad'; did you mean 'yard'"):
        show_graph(AcrossOptions(store, clock_offset=["yrad=5"]))


@pytest.mark.parametrize("given", ["gate", "gate=soon", "=5"])
def test_an_offset_that_is_none(store, given):
    with pytest.raises(ConfigError, match="must be CAMERA=SECONDS"):
        show_graph(AcrossOptions(store, clock_offset=[given]))


def test_an_empty_store_and_one_that_is_not_described(tmp_path):
    sink = StoreSink(StoreConfig(path=str(tmp_path / "s.db")))
    sink.begin(PROVENANCE)
    sink.flush()
    with pytest.raises(ConfigError, match="is empty"):
        read(tmp_path / "s.db")
    sink.write([result(0, "person", ids=[1])], 0.0)
    sink.close()
    with pytest.raises(ConfigError, match="transform `describe`"):
        show_graph(AcrossOptions(tmp_path / "s.db"))
    with pytest.raises(ConfigError, match="no tracks, or none of that --class"):
        show_graph(AcrossOptions(tmp_path / "s.db", class_="persn"))


def test_a_kept_picture_without_its_margin(tmp_path):
    import cv2

    picture = np.zeros((130, 70, 3), np.uint8)  # a box of 40 x 100, and 15 on each side
    picture[15:115, 15:55] = 200
    cv2.imwrite(str(tmp_path / "him.png"), picture)
    inner = without_margin(tmp_path / "him.png")
    assert inner.shape == (100, 40, 3)
    assert inner.min() == 200
    assert without_margin(tmp_path / "nobody.png") is None


def test_a_run_that_goes_on_is_followed_until_it_has_ended(store, capsys, monkeypatch):
    """While the run writes the store, who has not come yet is waited for."""
    from vidpipe.cli.commands import across

    with sqlite3.connect(store) as connection:
        begin = event_id(store, "gate", 29)
        connection.execute("UPDATE run SET ended = NULL")
        held = connection.execute("SELECT * FROM track WHERE stream = 'yard' AND track = 29").fetchone()
        connection.execute("DELETE FROM track WHERE stream = 'yard' AND track = 29")
        connection.execute("UPDATE position SET at = (SELECT last FROM track WHERE stream = 'gate' AND track = 29)")
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        with sqlite3.connect(store) as connection:
            if len(waits) == 2:
                connection.execute(f"INSERT INTO track VALUES ({','.join('?' * len(held))})", held)
                connection.execute("UPDATE position SET at = at + 60")
            if len(waits) == 4:
                connection.execute("UPDATE run SET ended = 1")

    monkeypatch.setattr(across.time, "sleep", wait)
    assert follow_up(FollowOptions(begin, live=True), AcrossOptions(store, json=True)) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["camera"], row["track_id"]) == ("yard", 29)
    assert len(waits) == 4
