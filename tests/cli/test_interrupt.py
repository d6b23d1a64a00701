"""Whoever ends a run gets what was answered until then: whole lines, a report that adds up, and no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import RAY, READ, Command
from tests.waiting import until

SLOW = """
classes: {even: even, odd: odd}
stages:
  - {id: difference, type: difference, on: device, threshold: 0}
  - {id: read, type: mystages:Slow, on: edge}
"""
IN_A_TERMINAL = True  # which sends it to the whole process group
ENDINGS = [
    ("inline", signal.SIGINT, IN_A_TERMINAL),
    ("inline", signal.SIGINT, False),
    ("inline", signal.SIGTERM, False),
    pytest.param("ray", signal.SIGINT, IN_A_TERMINAL, marks=pytest.mark.ray),
]


def leaves_nothing(command: Command) -> None:
    until(lambda: not command.processes(), 5)


@pytest.mark.long
@pytest.mark.parametrize(("engine", "number", "to_group"), ENDINGS)
def test_in_mid_run(shell, footage, engine, number, to_group):
    command = shell.begin(SLOW, footage / "long.mp4", engine=engine)
    command.wait_for_lines(10)
    command.send(number, to_group=to_group)
    ended = command.end(timeout_s=10)
    assert (ended.status, ended.error) == (130, "interrupted")
    (stream,) = shell.report["streams"].values()
    lines = shell.lines
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert stream["frames_in"] == sum(stream["by"].values()) == len(lines)
    assert 10 <= len(lines) < 400
    leaves_nothing(command)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_again_ends_at_once(shell, footage, engine):
    """A stage that does not come back holds up an orderly end for ever; who asks once a second does not wait for it."""
    command = shell.begin(SLOW.replace("Slow", "Hangs"), footage / "long.mp4", engine=engine)
    command.wait_for_lines(5)
    began = time.monotonic()
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    with pytest.raises(subprocess.TimeoutExpired):
        command.process.wait(1)
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    ended = command.end(timeout_s=10)
    assert time.monotonic() - began < 6
    assert (ended.status, ended.error) == (130, "interrupted")
    assert [line["seq"] for line in shell.lines] == list(range(5))
    leaves_nothing(command)


def test_while_it_starts(shell, footage):
    """Python is still loading what it needs, or the run is beginning: nothing but the line either way."""
    command = shell.begin(SLOW, footage / "long.mp4", fresh=True)
    until((shell.folder / "results.jsonl").exists, 20)
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    ended = command.end(timeout_s=10)
    assert (ended.status, ended.error) == (130, "interrupted")
    leaves_nothing(command)


OPENS_FOR_EVER = "stages: [{id: opens, type: mystages:OpensForEver, on: DEVICE}, {id: read, type: mystages:Read}]"


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_while_a_stage_opens(shell, good, engine):
    command = shell.begin(READ.split("stages")[0] + OPENS_FOR_EVER.replace("DEVICE", "device"), good, engine=engine)
    until((shell.folder / "opening").exists, 30)
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end(timeout_s=10)
    assert (ended.status, ended.error) == (130, "interrupted")
    assert [stream["frames_in"] for stream in shell.report["streams"].values()] == [0]
    leaves_nothing(command)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_while_a_source_opens(shell, engine):
    """A FIFO that nobody writes to."""
    os.mkfifo(shell.folder / "fifo.mp4")
    command = shell.begin(READ, "fifo.mp4", engine=engine, fresh=engine == "ray")  # so the actor is among its processes
    until(lambda: any(waits_for_a_writer(process) for process in command.processes()), 90)
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    ended = command.end(timeout_s=10)
    # What is waited for may have been said before.
    assert (ended.status, ended.err.splitlines()[-1]) == (130, "vidpipe: interrupted")
    leaves_nothing(command)


def waits_for_a_writer(process: int) -> bool:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return any((task / "wchan").read_text() == "wait_for_partner" for task in tasks)
    except OSError:  # it ended meanwhile
        return False


@pytest.mark.long
@pytest.mark.ray
def test_while_ray_starts(shell, good):
    command = shell.begin(READ, good, engine="ray")
    until(lambda: len(command.processes()) > 1, 30)
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    ended = command.end(timeout_s=15)
    assert (ended.status, ended.error) == (130, "interrupted")
    leaves_nothing(command)


def test_with_many_streams(shell, footage):
    """64 decoders are at work, and a thread that is left in one makes the end of Python an abort."""
    sources = [argument for i in range(64) for argument in ("--source", f"s{i}=live+file:{footage / 'long.mp4'}")]
    command = shell.begin(READ, *sources[1:])
    command.wait_for_lines(64)
    command.send(signal.SIGINT, to_group=IN_A_TERMINAL)
    ended = command.end(timeout_s=15)
    assert ended.status == 130
    assert ended.err.endswith("vidpipe: interrupted\n")
    leaves_nothing(command)
