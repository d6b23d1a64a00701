"""A run on cameras, as whoever keeps it running meets it: it is changed, ended and obstructed from outside."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.waiting import until

LIVE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""
DEADLINE_S = 5


def configure(shell, **urls):
    shell.write("config.yaml", json.dumps({"streams": {name: {"url": url} for name, url in urls.items()}}))


def begin(shell, *arguments, pipeline=LIVE, engine="inline"):
    shell.write("pipeline.yaml", pipeline)
    outputs = ("--results", "results.jsonl", "--report", "report.json")
    return shell.start("run", "pipeline.yaml", "--config", "config.yaml", "--engine", engine, *outputs, *arguments)


def frames(shell, stream):
    try:
        return (shell.folder / "results.jsonl").read_text().count(f'"stream": "{stream}"')
    except OSError:
        return 0


@pytest.mark.long
@pytest.mark.parametrize("asked", ["by a signal", "by the file"])
def test_cameras_come_and_go_while_it_runs(shell, footage, asked):
    long = f"live+file:{footage / 'long.mp4'}"
    configure(shell, a=long, b=long)
    command = begin(shell)
    command.wait_for_lines(40)
    shell.write("config.yaml", "streams: {a: {ulr: nowhere}}")
    if asked == "by a signal":
        command.send(signal.SIGHUP, to_group=False)
    refused = next(line for line in command.process.stderr if "is not taken up, and the run goes on as it is: " in line)
    assert "config.yaml:1: streams.a" in refused
    configure(shell, a=long, c=long)
    if asked == "by a signal":
        command.send(signal.SIGHUP, to_group=False)
    until(lambda: frames(shell, "c") > 20, 30)
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end()
    assert ended.status == 130
    assert "the configuration was taken up: added c; removed b" in ended.err
    for name in "abc":
        numbers = [line["seq"] for line in shell.lines if line["stream"] == name]
        assert numbers == list(range(shell.report["streams"][name]["frames_in"]))


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.timed])])
def test_a_stage_that_does_not_come_back_does_not_hold_up_the_end(shell, footage, engine):
    """What was read has an answer all the same."""
    configure(shell, a=f"live+file:{footage / 'long.mp4'}")
    command = begin(shell, pipeline=LIVE.replace("Read", "Hangs"), engine=engine)
    command.wait_for_lines(30)
    began = time.monotonic()
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end()
    rays_own_s = 3 if engine == "ray" else 0  # on a busy machine
    assert time.monotonic() - began < DEADLINE_S + rays_own_s
    assert ended.status == 130
    stream = shell.report["streams"]["a"]
    assert [line["seq"] for line in shell.lines] == list(range(stream["frames_in"]))
    assert stream["how"]["measured"] == 5
    assert stream["dropped"]["overloaded"] == stream["frames_in"] - stream["how"]["measured"] - stream["covered"].get(
        "stopped", 0
    )
    assert stream["health"]["state"] == "stopped"
    until(lambda: not command.processes(), 5)


@pytest.mark.long
def test_results_that_nobody_reads_hold_up_neither_the_run_nor_its_end(shell, footage):
    """A pipe that is full: the ledger goes on, and the end says what was not written."""
    pipe = shell.folder / "results.jsonl"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        many = {f"cam{n}": f"live+file:{footage / 'long.mp4'}" for n in range(8)}
        configure(shell, **many)
        command = begin(shell)
        assert any("results results.jsonl has taken nothing for 5 s" in line for line in command.process.stderr)
        began = time.monotonic()
        command.send(signal.SIGTERM, to_group=False)
        ended = command.end()
    finally:
        os.close(reader)
    assert time.monotonic() - began < DEADLINE_S
    assert ended.status == 130
    assert "results results.jsonl takes nothing: " in ended.err
    for stream in shell.report["streams"].values():
        assert stream["frames_in"] == sum(stream["how"].values()) > 50
