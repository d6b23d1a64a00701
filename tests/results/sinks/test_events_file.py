"""Files of events, JSON lines and CSV. What must hold:

- each event is one whole line, whatever its texts hold, and comes back as it was;
- files that are turned hold, one after another, what one file would;
- what an earlier run has left is put aside or gone on with, and never lost; after a kill -9 no line is half.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import signal
import time
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.results.events import as_json
from vidpipe.results.sinks.events import COLUMNS, EventsConfig, EventsFile
from vidpipe.testing.clock import HandClock

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
LINE = len(json.dumps(as_json(event(0), PROVENANCE["start"]))) + 1


def sink(path, clock=None, **settings):
    made = EventsFile(clock=clock or HandClock())
    made.config = EventsConfig(path=str(path), **settings)
    return made


def begun(path, **options):
    made = sink(path, **options)
    made.begin(PROVENANCE)
    return made


def read(path):
    """What a file says, as its readers get it."""
    if ".csv" in path.name:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


def seqs(*paths):
    return [int(each["seq"]) for path in paths for each in read(path)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    own=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in COLUMNS),
        st.none() | st.integers() | st.text() | st.lists(st.text()),
        max_size=4,
    ),
    zone=st.none() | st.text(),
)
def test_law_each_event_is_one_line_and_comes_back(tmp_path_factory, own, zone):
    folder = tmp_path_factory.mktemp("events")
    told = [event(seq, zone=zone, box=[0.1, 0.2, 0.3, 0.4], own=seq) for seq in range(2)]
    told = [
        each.__class__(**{name: getattr(each, name) for name in each.__slots__} | {"data": each.data | own})
        for each in told
    ]
    for name in ("e.jsonl", "e.csv"):
        made = begun(folder / name)
        made.tell(told)
        made.close()
    expected = [as_json(each, PROVENANCE["start"]) for each in told]
    assert read(folder / "e.jsonl") == expected
    assert (folder / "e.csv").read_bytes().count(b"\n") == 3
    for row, each in zip(read(folder / "e.csv"), expected, strict=True):
        assert json.loads(row["more"]) == {name: value for name, value in each.items() if name not in COLUMNS}
        assert (row["kind"], json.loads(row["seq"]), json.loads(row["box"])) == (each["kind"], each["seq"], each["box"])
        assert row["zone"] == " ".join((zone or "").splitlines())
        assert row["track_id"] == ""


@pytest.mark.parametrize("name", ["e.jsonl", "e.csv"])
def test_what_an_earlier_run_has_left_is_put_aside_or_gone_on_with(tmp_path, name):
    path = tmp_path / name
    for seq in range(2):
        made = begun(path)
        made.tell([event(seq)])
        made.close()
    assert (seqs(path), seqs(tmp_path / f"{name}.1")) == ([1], [0])
    for seq in range(2, 4):
        made = begun(path, append=True)
        made.tell([event(seq)])
        made.close()
    assert seqs(path) == [1, 2, 3]
    assert (tmp_path / f"{name}.1").exists()
    assert not (tmp_path / f"{name}.2").exists()


@pytest.mark.parametrize("half", ['{"schema": "vidpipe.event/1", "id": "x', "x" * 200_000])
def test_half_a_line_that_a_kill_has_left_is_cut_off(tmp_path, half):
    path = tmp_path / "e.jsonl"
    made = begun(path)
    made.tell([event(0), event(1)])
    made.close()
    with path.open("a") as file:
        file.write(half)
    made = begun(path, append=True)
    made.tell([event(2)])
    made.close()
    assert seqs(path) == [0, 1, 2]


@pytest.mark.parametrize("name", ["e.jsonl", "e.csv"])
@pytest.mark.parametrize("content", ["half a line", "something else\n", "schema,id\n1,2\n"])
def test_nothing_is_written_behind_what_is_something_else(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigError, match="something else is there, or the same of another version: move it away"):
        begun(path, append=True)
    assert path.read_text() == content


@pytest.mark.parametrize("name", ["e.jsonl", "e.csv"])
def test_a_file_is_turned_at_its_size(tmp_path, name):
    made = begun(tmp_path / name, rotate_mb=10 * LINE / 1e6)
    for seq in range(95):
        made.tell([event(seq)])
    made.close()
    aside = sorted(tmp_path.glob(f"{name}.*"), key=lambda path: int(path.name.rpartition(".")[2]))
    assert len(aside) > 1
    assert all(path.stat().st_size < 14 * LINE for path in aside)
    assert seqs(*aside, tmp_path / name) == list(range(95))


def test_a_file_is_turned_at_midnight(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    clock = HandClock(1_700_000_000 - 1_700_000_000 % 86400 + 86400 - 30)
    made = begun(tmp_path / "e.jsonl", clock=clock, rotate_daily=True)
    made.tell([event(0)])
    clock.turn(20)
    made.tell([event(1)])
    clock.turn(20)
    made.tell([event(2)])
    clock.turn(86400 * 3)
    made.tell([event(3)])
    made.close()
    assert [seqs(tmp_path / name) for name in ("e.jsonl.1", "e.jsonl.2", "e.jsonl")] == [[0, 1], [2], [3]]
    os.utime(tmp_path / "e.jsonl", (clock.utc(), clock.utc()))
    same_day = begun(tmp_path / "e.jsonl", clock=clock, rotate_daily=True, append=True)
    same_day.tell([event(4)])
    same_day.close()
    os.utime(tmp_path / "e.jsonl", (clock.utc(), clock.utc()))
    clock.turn(86400)
    begun(tmp_path / "e.jsonl", clock=clock, rotate_daily=True, append=True).close()
    assert seqs(tmp_path / "e.jsonl.3") == [3, 4]


def test_a_full_disk_leaves_whole_lines():
    made = begun("/dev/full")
    with pytest.raises(RunError, match="events /dev/full cannot be written on: No space left on device"):
        made.tell([event(0)])
    made.close()


def test_a_file_is_tried_out_without_being_written(tmp_path):
    assert sink(tmp_path / "e.csv").try_out({}) == "can be written; the event is not kept"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"events .* cannot be written: No such file or directory"):
        sink(tmp_path / "no" / "e.csv").try_out({})


def test_two_runs_do_not_write_one_file(tmp_path):
    first = begun(tmp_path / "e.csv", append=True)
    with pytest.raises(ConfigError, match="is being written by another run"):
        begun(tmp_path / "e.csv", append=True)
    first.close()


def test_mistakes_are_found_when_a_pipeline_is_loaded():
    for wrong in ({"format": "xml"}, {"rotate_mb": 0}, {"rotate_dayly": True}):
        with pytest.raises(ValidationError):
            EventsConfig(path="e", **wrong)


def tell_for_ever(path, told, start):
    made = begun(path, append=True, rotate_mb=0.05)
    with told.open("a") as said:
        for seq in count(start):
            made.tell([event(seq), event(seq, "second")])
            said.write(f"{seq}\n")
            said.flush()


@pytest.mark.long
@pytest.mark.parametrize("name", ["e.jsonl", "e.csv"])
def test_law_a_kill_loses_no_line_and_leaves_none_half(tmp_path, name):
    chance = random.Random(5)
    folder = tmp_path / "files"
    folder.mkdir()
    told = tmp_path / "told"
    told.touch()
    start = 0
    for _ in range(5):
        size = told.stat().st_size
        process = CONTEXT.Process(target=tell_for_ever, args=(folder / name, told, start), daemon=True)
        process.start()
        until(lambda size=size: told.stat().st_size > size, 60)
        time.sleep(chance.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        start = int(told.read_text().split()[-1]) + 2
    begun(folder / name, append=True).close()
    files = list(folder.iterdir())
    assert all(path.read_bytes().endswith(b"\n") for path in files if path.stat().st_size)
    assert {int(line) for line in told.read_text().split()} <= set(seqs(*files))
