"""Results over several runs of the command, and on cameras whose disk is full or whose reader has gone."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.conftest import READ
from tests.cli.test_failures import small_disk
from tests.waiting import until
from vidpipe.results.recorded import RecordedResults

__all__ = ["small_disk"]


def test_runs_go_on_behind_each_other(shell, footage, good):
    for _ in range(2):
        assert shell.run(READ, good, "--append", "--events", "events.jsonl").status == 0
    assert [line["seq"] for line in shell.lines] == [*range(40), *range(40)]
    assert len([1 for _, told in RecordedResults(shell.folder / "results.jsonl").lines() if "schema" in told]) == 1
    assert not (shell.folder / "results.jsonl.1").exists()
    assert shell.vidpipe("replay", "--results", "results.jsonl").status == 0
    assert (
        shell.vidpipe("results", "results.jsonl", "--to", "parquet").out == "results.parquet: 80 boxes of 80 results\n"
    )
    assert shell.run(READ, good, "--overwrite").status == 0
    assert len(shell.lines) == 40
    assert shell.run(READ, footage / "long.mp4", "--rotate", "5kB").status == 0
    assert 0 < len(shell.lines) < 400


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--append", "--overwrite"), "--append and --overwrite: choose one of them"),
        (("--rotate", "often"), "--rotate often: must be a size as 100MB, or day, or 100MB,day"),
        (("--rotate", "0MB"), "--rotate 0MB: must be a size as 100MB, or day, or 100MB,day"),
    ],
)
def test_what_is_asked_of_earlier_results_is_checked_before_anything_runs(shell, good, options, told):
    refused = shell.run(READ, good, *options)
    assert (refused.status, refused.error) == (2, told)
    assert not (shell.folder / "results.jsonl").exists()


@pytest.mark.parametrize("option", [("--append",), ("--overwrite",), ("--rotate", "day")])
def test_what_becomes_of_files_is_not_asked_where_none_is_written(shell, good, option):
    refused = shell.vidpipe("run", shell.write("pipeline.yaml", READ), "--source", good, *option)
    assert refused.status == 2
    assert "are of --results and --events: give one of these" in refused.error


def test_nothing_is_gone_on_with_that_is_something_else(shell, good):
    shell.write("results.jsonl", "dear diary\n")
    for how in ("--append", "--overwrite"):
        refused = shell.run(READ, good, how)
        assert refused.status == 2
        assert refused.error == (
            "results results.jsonl: something else is there, or the same of another version: move it away"
        )
        assert (shell.folder / "results.jsonl").read_text() == "dear diary\n"


def test_a_report_takes_the_place_of_nothing_but_a_report(shell, good):
    shell.write("report.json", "dear diary\n")
    refused = shell.run(READ, good)
    assert refused.status == 2
    assert refused.error == ("--report report.json: what is there is no report: move it away, or write to another file")
    assert (shell.folder / "report.json").read_text() == "dear diary\n"
    for content in ("", "\n", None):
        if content is not None:
            shell.write("report.json", content)
        assert shell.run(READ, good).status == 0
        assert shell.report["finished"] is True


def live(shell, footage, *arguments):
    shell.write("pipeline.yaml", READ)
    source = f"cam=live+file:{footage / 'long.mp4'}"
    return shell.start("run", "pipeline.yaml", "--source", source, "--engine", "inline", *arguments)


def test_on_cameras_a_full_disk_is_told_and_lived_through(shell, footage, small_disk):
    results = small_disk / "results.jsonl"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(24 * 1024))
    command = live(shell, footage, "--results", results, "--report", "report.json", "--name", "yard")
    told = next(line for line in command.process.stderr if "cannot be written on" in line)
    assert "No space left on device; lines are left out until it can" in told
    filler.unlink()
    assert any("can be written on again" in line for line in command.process.stderr)
    size = results.stat().st_size
    until(lambda: results.stat().st_size > size, 20)
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end(20)
    assert ended.status == 0  # it was asked to end
    (error,) = shell.report["errors"]
    assert "lines are missing, as it could not be written on: No space left on device" in error
    counts = shell.report["sinks"][f"results {results}"]
    assert counts["written"] + counts["missing"] == shell.report["streams"]["cam"]["frames_in"]
    assert counts["missing"] > 0


def test_on_cameras_a_reader_that_goes_ends_nothing(shell, footage):
    os.mkfifo(shell.folder / "pipe")
    arguments = ("--events", "events.jsonl", "--report", "report.json", "--name", "yard")
    command = live(shell, footage, "--results", "pipe", *arguments)
    with (shell.folder / "pipe").open() as reader:
        assert reader.readline().startswith('{"schema"')
    assert any("results pipe cannot be written on: Broken pipe" in line for line in command.process.stderr)
    with (shell.folder / "pipe").open() as reader:  # another one comes
        assert [next(reader)[:10], next(reader)[:10]] == ['{"schema":', '{"stream":']
    command.send(signal.SIGTERM, to_group=False)
    assert command.end(20).status == 0
    assert shell.report["sinks"]["results pipe"]["missing"] > 0
