"""The Ray that a run starts for itself: it listens to nobody else, ends with the run, and its loss ends the run."""

from __future__ import annotations

import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import Command, Shell
from tests.cli.test_interrupt import SLOW, leaves_nothing
from tests.waiting import until

pytestmark = pytest.mark.ray

RAISES_IN_ACTORS = """

import sys

if "default_worker" in "".join(sys.argv):
    raise OSError("no licence for actors")
"""


def listening(command: Command) -> set[str]:
    """Addresses on which a run's processes listen."""
    connections = []
    for process in command.processes():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            connections += psutil.Process(process).net_connections("inet")
    return {c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN}


def part(command: Command, name: str) -> psutil.Process:
    """A process of Ray, by the name of its program."""
    every = [psutil.Process(process) for process in command.processes()]
    return next(process for process in every if Path(process.cmdline()[0]).name == name)


def folder_of(command: Command) -> Path:
    (argument,) = [a for a in part(command, "raylet").cmdline() if a.startswith("--raylet_socket_name=")]
    return Path(argument.partition("=")[2]).parents[2]


@pytest.mark.long
def test_it_is_the_run_s_own(shell, footage, tmp_path_factory):
    """Begun from another folder than the one with pipeline and stages: those are found all the same."""
    shell.write("pipeline.yaml", SLOW)
    elsewhere = Shell(tmp_path_factory.mktemp("elsewhere"))
    arguments = ("--source", footage / "long.mp4", "--results", "results.jsonl")
    command = elsewhere.start("run", shell.folder / "pipeline.yaml", *arguments)
    try:
        command.wait_for_lines(5)
        assert listening(command) == {"127.0.0.1"}
        folder = folder_of(command)
        assert folder.parent in (Path(tempfile.gettempdir()), Path("/tmp"))
        assert command.end().status == 0
        leaves_nothing(command)
        assert not folder.exists()
        assert len(elsewhere.lines) == 400
    finally:
        elsewhere.clean_up()


@pytest.mark.long
def test_nothing_of_a_run_listens_to_other_machines_unless_it_is_told_to(shell, footage):
    """With all that can listen: Ray, metrics, pictures, and the socket that it is reached by, which is a file."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sinks = f"sinks: [{{type: mjpeg, port: {port}}}]\n"
    command = shell.begin(
        SLOW + sinks, footage / "long.mp4", "--metrics", "0", "--name", "yard", engine="ray", fresh=True
    )
    command.wait_for_lines(5)
    assert listening(command) == {"127.0.0.1"}
    assert any(c.laddr.port == port for process in command.processes() for c in connections_of(process))
    assert shell.vidpipe("stop", "yard").status == 0
    assert command.end(20).status == 0


def connections_of(process: int) -> list[Any]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).net_connections("inet")
    return []


def test_what_its_actors_die_of_is_told(shell, good):
    shell.write("mystages.py", (shell.folder / "mystages.py").read_text() + RAISES_IN_ACTORS)
    ended = shell.run(SLOW, good, engine="ray")
    assert (ended.status, ended.error) == (1, "an actor died while it was starting: OSError: no licence for actors")


@pytest.mark.long
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_its_loss_ends_the_run(shell, footage, name):
    command = shell.begin(SLOW, footage / "long.mp4", engine="ray")
    command.wait_for_lines(10)
    part(command, name).kill()
    ended = command.end(timeout_s=20)
    assert ended.status == 1
    assert ended.line == f"vidpipe: Ray's {name} has ended: the run cannot go on"
    (stream,) = shell.report["streams"].values()
    assert stream["frames_in"] == len(shell.lines) >= 10
    leaves_nothing(command)


@pytest.mark.long
def test_a_killed_run_leaves_no_process(shell, footage):
    command = shell.begin(SLOW, footage / "long.mp4", engine="ray")
    command.wait_for_lines(5)
    command.process.send_signal(signal.SIGKILL)
    command.process.wait()
    until(lambda: not command.processes(), 20)


@pytest.mark.long
def test_a_dead_actor_is_told_in_a_line(shell, good):
    dies = f'{{id: dies, type: mystages:Dies, at: 9, once: "{shell.folder / "died"}"}}'
    ended = shell.run(SLOW.replace("  - {id: read", f"  - {dies}\n  - {{id: read"), good, engine="ray")
    assert ended.status == 0
    assert [line["seq"] for line in shell.lines] == list(range(40))
    told = [line for line in ended.err.splitlines() if "died" in line]
    assert 1 <= len(told) <= 2  # that it is away, and that it is back
    assert "worker died" not in ended.out + ended.err
