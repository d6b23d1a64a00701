"""`vidpipe demo`: what it leaves, and the page at its end. What must hold:

- who is at a terminal is told the address of a page of what happened, which is there until Ctrl-C, and the demo then
  ends with 0;
- in a pipe, and with --no-serve, the demo ends by itself and says how to look at it.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.samples.conftest import people
from vidpipe.cli.commands.demo import run_demo, show

__all__ = ["people"]

TIMEOUT_S = 100


def test_in_a_pipe_it_ends_by_itself(people, tmp_path, capsys):
    assert run_demo(tmp_path, 5, 3, "inline", serve=True) == 0
    told = capsys.readouterr()
    assert f"vidpipe serve --store {tmp_path / 'demo.db'} --media {tmp_path / 'media'}" in told.out
    assert "page:" not in told.err
    assert {"results.jsonl", "report.json", "drawn.mp4", "demo.db", "rules.yaml"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_at_a_terminal_where_nobody_wants_a_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert show(tmp_path / "demo.db", tmp_path / "media", serve=False) == 0
    assert "vidpipe serve --store" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.timeout(240)  # alone it takes ten seconds
def test_at_a_terminal_it_serves_what_happened(people, tmp_path):
    """The events of the rules that it has written, each with its picture, until Ctrl-C."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "vidpipe.cli.main", "demo", "--out", str(tmp_path / "out"), "--seconds", "9"]
    environment = os.environ | {"VIDPIPE_USERS": str(tmp_path / "users.json"), "VIDPIPE_RUNS": str(tmp_path / "runs")}
    words = [*command, "--seed", "2", "--engine", "inline"]
    demo = subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    said = b""
    try:
        while not (found := re.search(rb"page: (http://127\.0\.0\.1:\d+/)\s", said)):
            said += os.read(ours, 65536)  # an OSError where it has ended
        with urlopen(found[1].decode() + "api/events", timeout=TIMEOUT_S) as answer:
            events = json.load(answer)["events"]
        assert {event["rule"] for event in events} <= {"somebody", "company"}
        assert events
        with urlopen(f"{found[1].decode()}api/event/picture?id={events[0]['id']}", timeout=TIMEOUT_S) as answer:
            assert answer.read(2) == b"\xff\xd8"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(TIMEOUT_S) == 0
    finally:
        demo.kill()
        demo.wait()
        os.close(ours)
