"""Results files that outlive runs, disks that are full, and readers that go. What must hold:

- runs that go on behind each other in a file, or over several, are read as what they have published, each by itself;
- nothing that is not ours is gone on with or written over;
- on cameras a disk that is full, and a pipe that nobody reads any more, cost the lines of that time and no others.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import lines
from tests.results.store.told import result
from vidpipe.bench.results import read_answers
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.results.recorded import RecordedResults
from vidpipe.results.sinks.lines import LinesConfig
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.testing.clock import HandClock

HEAD_BYTES = 100
CAMERAS = SimpleNamespace(pipeline=SimpleNamespace(streams={"gate": SimpleNamespace(spec=SimpleNamespace(live=True))}))


def provenance(run):
    return {"start": f"2026-11-29T17:25:{run:02}.000+00:00", "pipeline": "yard", "streams": {"gate": {"source": "x"}}}


def begun(path, run=0, *, live=False, clock=None, keep=True, **options):
    config = LinesConfig(path=str(path), **options)
    sink = ResultsFile(path, keep=keep, config=config, clock=clock or HandClock())
    if live:
        sink.attach(CAMERAS)
    sink.begin(provenance(run))
    return sink


def published(path, run, seqs, **options):
    """One run from beginning to end."""
    sink = begun(path, run, **options)
    for seq in seqs:
        sink.write([result(seq)], 0.0)
    sink.close()


def read(path):
    """The `seq` of each run's results, as readers get them."""
    recorded = RecordedResults(path)
    runs = [(recorded.head["start"], [])]
    for _, told in recorded.lines():
        if "schema" in told:
            runs.append((told["start"], []))
        else:
            runs[-1][1].append(told["seq"])
    return runs


def in_order(folder, name="results.jsonl"):
    aside = [path for path in folder.iterdir() if path.name.startswith(f"{name}.")]
    return [*sorted(aside, key=lambda path: int(path.name.rpartition(".")[2])), folder / name]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    killed=st.sets(st.integers(0, 3)),
    rotate_kb=st.none() | st.floats(0.6, 3),
)
def test_law_runs_that_go_on_behind_each_other_are_read_as_they_were(tmp_path_factory, counts, killed, rotate_kb):
    folder = tmp_path_factory.mktemp("results")
    path = folder / "results.jsonl"
    options = {"append": True, "rotate_mb": rotate_kb and rotate_kb / 1e3}
    for run, count in enumerate(counts):
        published(path, run, range(count), **options)
        if run in killed:
            with path.open("a") as file:
                file.write('{"stream": "gate", "seq": 99, "pt')
    published(path, len(counts), [7], **options)
    files = in_order(folder)
    assert rotate_kb or files == [path]
    together = folder / "together"
    together.write_bytes(b"".join(file.read_bytes() for file in files))
    expected = [(provenance(run)["start"], list(range(count))) for run, count in enumerate(counts)]
    assert read(together) == [*expected, (provenance(len(counts))["start"], [7])]
    for file in files:  # each can be read alone
        assert all(start.startswith("2026") for start, _ in read(file))


def test_the_bench_reads_the_last_run(tmp_path):
    path = tmp_path / "results.jsonl"
    for run, count in enumerate((9, 4)):
        published(path, run, range(count), append=True)
    assert len(read_answers(path, "gate", ["person"], 64, 48).how) == 4


@pytest.mark.parametrize("how", [{"append": True}, {"keep": False}])
@pytest.mark.parametrize("content", ["my notes\n", '{"schema": "vidpipe.results/2"}\n', '{"schema"'])
def test_what_is_not_ours_stays(tmp_path, how, content):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match="something else is there, or the same of another version: move it away"):
        begun(path, **how)
    assert path.read_text() == content


def test_results_are_written_over_where_that_is_asked_for(tmp_path):
    path = tmp_path / "results.jsonl"
    for run in range(2):
        published(path, run, [run], keep=False)
    assert read(path) == [(provenance(1)["start"], [1])]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_turned_says_which_settings_are_in_force(tmp_path, monkeypatch):
    clock = HandClock(1_700_000_000)
    path = tmp_path / "results.jsonl"
    sink = begun(path, clock=clock, rotate_daily=True)
    change = {"epoch": 1, "at": 0.0, "by": "user", "reason": "", "changes": {"big": {"size": 320}}}
    sink.write([result(0)._replace(settings=(change,))], 0.0)
    joins = {**change, "changes": {"rules": {"lines": {}}}, "anew": True}
    sink.write([result(0, stream="new")._replace(settings=(joins,))], 0.0)
    clock.turn(86_400)
    sink.write([result(1)], 0.0)
    sink.close()
    first, second = (lines.head(file) for file in in_order(tmp_path))
    assert "stages" not in first["streams"]["gate"]
    assert second["start"] == first["start"]
    assert second["streams"]["gate"] == {"source": "x", "size": None, "stages": {"big": {"size": 320}}}
    assert second["streams"]["new"]["stages"] == {"rules": {"lines": {}}}


@contextmanager
def files_up_to(size):
    """As on a disk that is full behind so many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_on_cameras_a_full_disk_costs_the_lines_of_that_time(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    sink = begun(path, live=True)
    sink.write([result(0)], 0.0)
    with files_up_to(path.stat().st_size + 300):  # one line and a part of the next
        for seq in (1, 2, 3):
            sink.write([result(seq), result(seq + 10)], 0.0)
    assert caplog.text.count("cannot be written on: File too large; lines are left out until it can") == 1
    sink.write([result(4)], 0.0)
    assert "can be written on again; 5 lines are missing" in caplog.text
    assert sink.counts == {"written": 3, "missing": 5}
    with pytest.raises(RunError, match="5 lines are missing, as it could not be written on: File too large"):
        sink.close()
    assert [line["seq"] for line in lines.answers(path)] == [0, 1, 4]
    assert path.read_bytes().endswith(b"}\n")


def test_a_disk_that_is_full_from_the_beginning_is_told_before_anything_runs(tmp_path):
    with files_up_to(20), pytest.raises(ConfigError, match=r"results .* cannot be written on: File too large"):
        begun(tmp_path / "results.jsonl", live=True)


def test_on_cameras_a_turn_on_a_full_disk_loses_the_lines_of_that_time_alone(tmp_path):
    path = tmp_path / "results.jsonl"
    sink = begun(path, live=True, rotate_mb=0.0005)
    for seq in range(3):
        sink.write([result(seq)], 0.0)
    with files_up_to(20):  # a new file is begun, and its first line does not fit
        for seq in range(3, 6):
            sink.write([result(seq)], 0.0)
    for seq in range(6, 9):
        sink.write([result(seq)], 0.0)
    with pytest.raises(RunError, match="3 lines are missing"):
        sink.close()
    seqs = [line["seq"] for file in in_order(tmp_path) for line in lines.answers(file)]
    assert seqs == [0, 1, 2, 6, 7, 8]
    assert all(read(file) for file in in_order(tmp_path))


def test_on_cameras_a_pipe_is_opened_again_when_somebody_reads(tmp_path, caplog):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sink = begun(pipe, live=True)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink.write([result(0)], 0.0)
    os.close(reader)
    for seq in range(1, 4):
        sink.write([result(seq)], 0.0)
    assert caplog.text.count("lines are left out until it can") == 1
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink.write([result(4)], 0.0)
    told = os.read(reader, 1 << 16).decode().splitlines()
    assert ["schema" in json.loads(line) for line in told] == [True, False]
    assert json.loads(told[1])["seq"] == 4
    os.close(reader)
    with pytest.raises(RunError, match="3 lines are missing"):
        sink.close()
