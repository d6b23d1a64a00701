"""`vidpipe host`, and a run on another site. What must hold:

- the commands in configs/two-sites.yaml do what they say, and the server ends well when it is told to;
- a mistake ends the command with one line that says what to write, and status 2;
- the token stands in no message, result, report or process list.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Shell

CONFIG = Path(__file__).parents[3] / "configs" / "two-sites.yaml"
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: third, type: mystages:Third, on: device}
  - {id: little, type: mystages:Passes, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
"""
PASSES = '''

class Passes(Stage):
    """Says nothing."""

    def answer(self, frames):
        return [None] * len(frames)
'''
TOKEN = "d2a5c1f0" * 8


@pytest.fixture
def site(shell: Shell) -> Shell:
    stages = shell.folder / "mystages.py"
    stages.write_text(stages.read_text() + PASSES)
    (shell.folder / "pipelines").mkdir()
    shell.write("pipelines/street.yaml", PIPELINE)
    return shell


def commands() -> dict[str, list[str]]:
    """The arguments of each `vidpipe` in the comments of the configuration, by its subcommand."""
    lines = [line.removeprefix("#   ") for line in CONFIG.read_text().splitlines() if line.startswith("#   vidpipe ")]
    return {words[1]: words[1:] for words in map(shlex.split, lines)}


def started(command: Command) -> tuple[int, str]:
    """The port at which a server listens, and its fingerprint."""
    first, second = command.process.stdout.readline(), command.process.stdout.readline()
    return int(first.rsplit(":", 1)[1]), second.split()[-1]


def test_two_sites(site, good, monkeypatch):
    written, text = commands(), CONFIG.read_text()
    make_token = shlex.split(re.search(r"^#   \(umask 077; (.*) > token\)$", text, re.MULTILINE)[1])
    token = subprocess.run(make_token, capture_output=True, text=True, check=True).stdout.strip()
    site.write("token", token).chmod(0o600)
    server = site.start(*[word.replace("0.0.0.0:7443", "127.0.0.1:0") for word in written["host"]])
    port, fingerprint = started(server)
    text = text.replace("cloud.example:7443", f"127.0.0.1:{port}").replace("rtsp://192.0.2.10/stream1", str(good))
    site.write("two-sites.yaml", text)
    monkeypatch.setenv("CLOUD_TOKEN", token)
    monkeypatch.setenv("CLOUD_FINGERPRINT", fingerprint)
    arguments = [word.removeprefix("configs/") for word in written["run"]]
    ran = site.vidpipe(*arguments, "--engine", "inline", "--report", "report.json")
    assert (ran.status, ran.err) == (0, "")
    assert len(site.lines) == 40
    assert site.report["stages"]["read"]["answered"] == 14, (site.lines[0], site.report)
    processes = [Path(f"/proc/{process}/cmdline").read_text() for process in server.processes()]
    server.send(signal.SIGTERM, to_group=False)
    ended = server.end(20)
    assert (ended.status, ended.err) == (0, "")
    results = (site.folder / "results.jsonl").read_text()
    for shown in (ran.out, ended.out, results, json.dumps(site.report), *processes):
        assert token not in shown


MISTAKES = {
    "no token": ("--self-signed c", "missing option '--token-file'"),
    "no such file": ("--token-file gone --self-signed c", "there is no such file; make one with: (umask 077;"),
    "short token": ("--token-file short --self-signed c", "holds no token of 16 letters or more on one line"),
    "no certificate": ("--token-file token", "say how it is encrypted, in one way: --cert FILE --key FILE, or"),
    "half of one": ("--token-file token --cert c.pem", "--cert and --key go together"),
    "gone": ("--token-file token --cert c.pem --key k.pem", "certificate c.pem: there is no such file"),
    "no PEM": ("--token-file token --cert token --key token", "certificate token with key token: cannot be used"),
    "plain": ("--token-file token --plain --listen 0.0.0.0:0", "what is not encrypted stays on this machine"),
    "below": ("--token-file token --plain --below a-b", "has no such link; it has device-edge, edge-cloud"),
    "listen": ("--token-file token --plain --listen here", "--listen here: write PORT, or ADDRESS:PORT"),
}


@pytest.mark.parametrize(("arguments", "why"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_said_in_a_line(site, arguments, why):
    site.write("token", TOKEN).chmod(0o600)
    site.write("short", "abc")
    said = site.vidpipe("host", "street", *arguments.split())
    assert said.status == 2
    assert why in said.line
    assert TOKEN not in said.out + said.err


def test_a_port_that_is_in_use_is_said(site):
    site.write("token", TOKEN).chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = site.vidpipe("host", "street", "--token-file", "token", "--plain", "--listen", port)
    assert said.status == 2
    assert said.error == f"--listen 127.0.0.1:{port}: nobody may listen there: Address already in use"


def test_a_wrong_token_is_said_on_both_sides(site, good):
    site.write("token", TOKEN).chmod(0o600)
    server = site.start("host", "street", "--token-file", "token", "--plain", "--listen", "0")
    port = int(server.process.stdout.readline().rsplit(":", 1)[1])
    link = {"address": f"tcp://127.0.0.1:{port}", "token": "not this one, which is long"}
    site.write("site.yaml", json.dumps({"links": {"edge-cloud": link}}))
    said = site.vidpipe("run", "street", "--source", good, "--config", "site.yaml", "--engine", "inline")
    assert said.status == 2
    assert said.error == f"the link to cloud: 127.0.0.1:{port}: wrong token"
    server.send(signal.SIGINT, to_group=False)
    ended = server.end(20)
    assert ended.status == 0
    assert "a caller from 127.0.0.1 was turned away: wrong token" in ended.err
    assert "not this one" not in said.out + said.err + ended.out + ended.err
