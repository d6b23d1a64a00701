"""A password is nowhere to be found: not in what a run says and writes, in lists of processes, nor in Ray's logs."""

import itertools
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import MORE_STAGES, RAY, READ, Shell
from tests.runtime.conftest import STAGES
from tests.waiting import until

USER, PASSWORD = "u.x", "p@ss/w#1"
TRACES = ("p@ss", "p%40ss", "w#1", "w%231", "s3cret", "s3kret")


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path)
    shell.write("mystages.py", STAGES + MORE_STAGES)
    yield shell
    shell.clean_up()


@pytest.fixture
def server(serve, clip):
    return serve({"/a": clip}, user=USER, password=PASSWORD)


def traces_in(text):
    return [trace for trace in TRACES if trace in text]


def command_lines(command):
    lines = []
    for number in command.processes():
        try:
            lines.append(" ".join(psutil.Process(number).cmdline()))
        except psutil.Error:
            continue
    return "\n".join(lines)


def logs_of_ray(since):
    files = (file for file in Path("/tmp/ray").glob("session_2*/logs/**/*") if file.is_file())
    return "".join(file.read_text(errors="replace") for file in files if file.stat().st_mtime >= since)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_it_leaves_no_trace(shell, server, engine, monkeypatch):
    monkeypatch.setenv("KEPT", f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{server.port}/a")
    (shell.folder / "password").write_text(PASSWORD)
    cameras = {
        "plain": f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{server.port}/a",
        "wrong": f"rtsp://{USER}:s3cret@127.0.0.1:{server.port}/a",
        "query": f"rtsp://127.0.0.1:{server.port}/nowhere?user=joe&password=s3kret",
        "kept": "${env:KEPT}",
        "file": f"rtsp://{USER}:${{file:{shell.folder / 'password'}}}@127.0.0.1:{server.port}/a",
    }
    began = Path(shell.folder).stat().st_mtime
    more = [("--source", f"{name}={url}") for name, url in list(cameras.items())[1:]]
    command = shell.begin(READ, f"plain={cameras['plain']}", *itertools.chain(*more), engine=engine)
    until(lambda: "VIDPIPE_ARGUMENT" in command_lines(command), 20)
    command.wait_for_lines(60)
    assert not traces_in(command_lines(command))
    command.process.terminate()
    said = command.end()
    assert said.status == 130
    for text in (said.out, said.err, *(file.read_text() for file in shell.folder.glob("*.json*"))):
        assert not traces_in(text)
    assert "camera wrong: 401: wrong user or password" in said.err or engine == "ray"
    assert {line["stream"] for line in shell.lines} >= {"plain", "kept", "file"}
    if engine == "ray":
        assert not traces_in(logs_of_ray(began))


@pytest.mark.parametrize(
    "source",
    ["u.x:s3cret/w#1@host", "gate=joe:s3cret@10.0.0.5/stream1", "sftp://joe:s3cret@host/a", "rtsp://joe:s3cret@/a"],
)
def test_a_mistake_does_not_repeat_it(shell, source):
    said = shell.run(READ, source)
    assert said.status == 2
    assert not traces_in(said.out + said.err)
