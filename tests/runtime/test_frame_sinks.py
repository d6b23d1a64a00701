"""Taps on both engines: they know of every picture, and one that fails costs nothing but itself."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests import clips
from vidpipe.results.frame_sink import FrameSink

PIPELINE = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"


class Notes:
    """Writes the number and time of each picture into a file; a user's own tap."""

    def __init__(self, path: Path, fails: str = "") -> None:
        self.path, self.fails = path, fails

    def __str__(self) -> str:
        return "notes of mine"

    def open(self, info, *, resumed):
        if self.fails == "open":
            raise OSError("no paper")
        return Writer(self)


class Writer:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._file = notes.path.open("a")

    def __str__(self) -> str:
        return str(self._notes)

    def write(self, item, answer, ledger):
        if self._notes.fails == "write" and item.seq == 5:
            raise ValueError("the pen is dry\nas dust")
        self._file.write(f"{item.seq} {item.pts:.6f} {type(item).__name__}\n")

    def close(self):
        self._file.close()
        if self._notes.fails == "close":
            raise ValueError("no envelope")


@pytest.fixture(autouse=True)
def by_value():
    """A cluster's machines do not have this file."""
    from ray import cloudpickle

    module = __import__(__name__, fromlist=["Notes"])
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


def test_a_tap_knows_number_and_time_of_pictures_that_are_missing(runner, tmp_path):
    clips.scribble(clips.encode(tmp_path / "whole.mp4", frames=40), tmp_path / "bad.mp4", [11, 23])
    notes: FrameSink = Notes(tmp_path / "notes.txt")
    ran = runner(PIPELINE, {"a": tmp_path / "bad.mp4"}, frame_sinks=[notes])
    told = [line.split() for line in (tmp_path / "notes.txt").read_text().splitlines()]
    assert [(int(seq), float(pts)) for seq, pts, _ in told] == [(line["seq"], line["pts"]) for line in ran.lines]
    kinds = ["Missing" if line["how"] == "dropped" else "Frame" for line in ran.lines]
    assert [kind for *_, kind in told] == kinds
    assert kinds.count("Missing") == 2


def test_those_that_raise_are_told_of_and_all_is_answered(runner, tmp_path, caplog):
    clip = clips.encode(tmp_path / "clip.mp4", frames=30)
    sound, *broken = (Notes(tmp_path / f"{fails}.txt", fails) for fails in ("", "write", "close"))
    with caplog.at_level(logging.WARNING):
        ran = runner(PIPELINE, {"a": clip}, frame_sinks=[*broken, sound])
    assert [line["seq"] for line in ran.lines] == list(range(30))
    written = [len(notes.path.read_text().splitlines()) for notes in (sound, *broken)]
    assert written == [30, 5, 30]
    assert sorted(ran.outcome.errors) == sorted(ran.report["errors"])
    assert sorted(ran.outcome.errors) == [
        "stream a: notes of mine: ValueError: no envelope",
        "stream a: notes of mine: ValueError: the pen is dry",
    ]
    assert ran.outcome.exit_status == 1
    if runner.engine == "inline":
        assert caplog.text.count("; the stream goes on without it") == 2


def test_one_that_does_not_open_is_told_before_anything_runs(inline, tmp_path):
    clip = clips.encode(tmp_path / "clip.mp4", frames=5)
    with pytest.raises(OSError, match="no paper"):
        inline(PIPELINE, {"a": clip}, frame_sinks=[Notes(tmp_path / "notes.txt", "open")])
    assert not (tmp_path / "inline.jsonl").exists()
