"""What becomes of earlier results where somebody sits at a terminal. What must hold:

- whoever sits there is asked, once, before the run begins, and gets what they say; nothing said is the way that loses
  nothing;
- nobody is asked who has said it, who has nothing there, or who sits at no terminal.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import READ
from vidpipe.cli.earlier import ask_about_earlier
from vidpipe.cli.outputs import Earlier

PATIENCE_S = 60


class Terminal:
    """A command whose terminal we are: `work` runs in a process that has it as its own."""

    def __init__(self, work) -> None:
        self.pid, self._ours = pty.fork()
        if self.pid == 0:
            status = 99
            try:
                sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - as Python begins
                status = work()
            finally:
                sys.stderr.flush()
                os._exit(status)
        self.said = ""

    def wait_for(self, text: str) -> None:
        while text not in self.said and self._read():
            pass
        assert text in self.said

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], PATIENCE_S)[0], f"it hangs, having said {self.said!r}"
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.said += read.decode()
        return bool(read)


def answered(files, earlier=None) -> int:
    try:
        said = ask_about_earlier(earlier or Earlier(), files)
    except KeyboardInterrupt:
        return 3
    return said.append + 2 * said.overwrite


@pytest.fixture
def old(tmp_path) -> Path:
    file = tmp_path / "old.jsonl"
    file.write_text("something\n")
    return file


@pytest.mark.parametrize(
    ("typed", "gets"),
    [("a", 1), ("append", 1), ("", 0), ("p", 0), ("put aside", 0), ("O", 2), ("s", 3), ("what?\na", 1)],
)
def test_who_is_at_a_terminal_gets_what_they_say(old, typed, gets):
    terminal = Terminal(lambda: answered([old, None]))
    terminal.wait_for(f"{old} has something of an earlier run")
    terminal.wait_for("[s]top")
    terminal.type(typed + "\n")
    assert terminal.end() == gets


def test_nobody_is_asked_who_has_said_it_or_has_nothing_there(old, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    for earlier in (Earlier(append=True), Earlier(overwrite=True), Earlier(rotate="day")):
        terminal = Terminal(lambda earlier=earlier: int(ask_about_earlier(earlier, [old]) == earlier))
        assert (terminal.end(), terminal.said) == (1, "")
    terminal = Terminal(lambda: answered([empty, tmp_path / "none", Path("-"), Path("/dev/null")]))
    assert (terminal.end(), terminal.said) == (0, "")


def test_a_job_in_the_background_of_a_terminal_is_not_stopped_by_a_question(old):
    def in_background() -> int:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os._exit(answered([old]))
        os.setpgid(child, child)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    terminal = Terminal(in_background)
    assert (terminal.end(), terminal.said) == (0, "")


@pytest.mark.long
def test_a_run_at_a_terminal_asks_before_it_begins(shell, good):
    assert shell.run(READ, good).status == 0
    before = (shell.folder / "results.jsonl").read_text()
    words = ["run", "pipeline.yaml", "--source", str(good), "--engine", "inline", "--results", "results.jsonl"]

    def vidpipe() -> int:
        return subprocess.run(
            [sys.executable, "-m", "vidpipe.cli.main", *words], cwd=shell.folder, check=False
        ).returncode

    terminal = Terminal(vidpipe)
    terminal.wait_for("[s]top")
    terminal.type("stop\n")
    assert terminal.end() == 130
    assert (shell.folder / "results.jsonl").read_text() == before
    terminal = Terminal(vidpipe)
    terminal.wait_for("[s]top")
    terminal.type("append\n")
    assert terminal.end() == 0
    assert [line["seq"] for line in shell.lines] == [*range(40), *range(40)]


def test_off_a_terminal_they_are_put_aside_and_that_is_said(shell, good):
    assert shell.run(READ, good).status == 0
    again = shell.run(READ, good)
    assert again.status == 0
    assert "note: earlier results of results.jsonl are now results.jsonl.1" in again.err
    assert len(shell.lines) == 40
