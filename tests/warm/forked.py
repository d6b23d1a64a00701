"""Commands that need not load vidpipe first: they are forked from a process that has, one for all tests of a worker."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Thread
from types import SimpleNamespace
from typing import IO, Any

from tests.waiting import until
from tests.warm.ask import PLACE, ask

ROOT = Path(__file__).parents[2]


class Template:
    """The process that others are forked from; it goes with this one."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vidpipe-template-")
        self.place = str(Path(self._folder.name) / "socket")
        its, self._ours = os.pipe()
        command = [sys.executable, "-m", "tests.warm.template", self.place]
        subprocess.run(command, cwd=ROOT, stdin=its, stdout=subprocess.DEVNULL, start_new_session=True, check=True)
        os.close(its)
        until(Path(self.place).exists, 60)


@cache
def template() -> Template:
    """That of this worker."""
    return Template()


class Process:
    """A process that was asked for: what `subprocess.Popen` is, as far as those who ask need it.

    Args:
        told: what `ask` returns.
    """

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.returncode: int | None = None
        self.pid = self._number()

    def __del__(self) -> None:
        self._told.close()  # also of one whose end nobody has waited for

    def _number(self) -> int:
        return int(*struct.unpack("i", self._told.recv(4)))

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise TimeoutExpired("vidpipe", timeout or 0)
            self.returncode = self._number()
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked(Process):
    """A command of vidpipe that runs."""

    def __init__(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        pipes = [os.pipe(), os.pipe()]
        self.stdout, self.stderr = (os.fdopen(ours) for ours, _ in pipes)
        files = {number: its for number, (_, its) in enumerate(pipes, 1)}
        place = template().place
        super().__init__(ask(place, "vidpipe.cli.main", arguments, str(cwd), {**env, PLACE: place}, files))
        for _, its in pipes:
            os.close(its)
        self._said: dict[str, str] = {}
        self._readers = [Thread(target=self._read, args=(name,), daemon=True) for name in ("stdout", "stderr")]

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it says until it has ended. Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout

        def left() -> float | None:
            return None if deadline is None else max(0.0, deadline - time.monotonic())

        for reader in self._readers:
            if not reader.ident:
                reader.start()
        for reader in self._readers:
            reader.join(left())
            if reader.is_alive():
                raise TimeoutExpired("vidpipe", timeout or 0)
        self.wait(left())
        return self._said["stdout"], self._said["stderr"]

    def _read(self, name: str) -> None:
        with getattr(self, name) as stream:
            self._said[name] = stream.read()


class Measured(Process):
    """What a bench measures: it is forked as well, where the bench would start a Python that loads vidpipe first."""

    def __init__(
        self, command: Sequence[str], *, stdout: IO[bytes], stderr: IO[bytes], pass_fds: Sequence[int], **_: Any
    ):
        its, ours = os.pipe()
        self.stdin = os.fdopen(ours, "wb")
        files = {0: its, 1: stdout.fileno(), 2: stderr.fileno(), **{number: number for number in pass_fds}}
        super().__init__(_ask(command, files))
        os.close(its)


# What a bench has for `subprocess` where it measures processes that are forked.
IN_ITS_PLACE = SimpleNamespace(Popen=Measured, PIPE=subprocess.PIPE, TimeoutExpired=TimeoutExpired)


class Worker(Process):
    """The same of a worker that works on tasks, with this process's output."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int], **_: Any):
        super().__init__(_ask(command, {1: 2, 2: 2, **{number: number for number in pass_fds}}))


def _ask(command: Sequence[str], files: Mapping[int, int]) -> socket.socket:
    """For the process that a command would be, which begins a module of ours."""
    module, *arguments = command[command.index("-m") + 1 :]
    return ask(os.environ[PLACE], module, arguments, str(Path.cwd()), os.environ, files)
