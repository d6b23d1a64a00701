"""Jobs that do as they are told; they stand in a file of their own, for another process imports them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from vidpipe.core import errors

HERE = str(Path(__file__).parents[3])
REPORT = {"cpu_s": 2.0, "wall_s": 1.5, "start_up_cpu_s": 0.5, "stages": {}, "models": {}, "links": {}}


@dataclass(frozen=True)
class Told:
    """Base of the jobs here."""

    search_paths: tuple[str, ...] = field(default=(HERE,), kw_only=True)


@dataclass(frozen=True)
class Looks(Told):
    """Reports what it sees of its process, and writes its results."""

    secret: str = ""

    def run(self, results: Path) -> dict[str, Any]:
        results.write_text("one line\n")
        sys.stdout.write("what a stage prints\n")
        own = psutil.Process()
        return {
            **REPORT,
            "pid": own.pid,
            "arguments": own.cmdline(),
            "environment": dict(os.environ),
            "modules": sorted(sys.modules),
            "path": list(sys.path),
        }


@dataclass(frozen=True)
class Raises(Told):
    error: str
    message: str

    def run(self, results: Path) -> dict[str, Any]:
        kind = getattr(errors, self.error, None) or {"ValueError": ValueError, "Own": Own}[self.error]
        raise kind(self.message)


class Own(errors.StageError):
    """An error of the user's, which cannot be pickled: it takes no arguments."""

    def __init__(self, said: str) -> None:
        super().__init__(f"own: {said}")
        self.handle = lambda: None


@dataclass(frozen=True)
class Kills(Told):
    """Ends its process."""

    number: int

    def run(self, results: Path) -> dict[str, Any]:
        os.kill(os.getpid(), self.number)
        time.sleep(60)
        return REPORT


@dataclass(frozen=True)
class Exits(Told):
    status: int

    def run(self, results: Path) -> dict[str, Any]:
        sys.stderr.write("the library said this\n\n")
        os._exit(self.status)


@dataclass(frozen=True)
class Holds(Told):
    """Holds so much memory, and as much in another process, until both have been seen."""

    mb: int

    def run(self, results: Path) -> dict[str, Any]:
        block = bytearray(os.urandom(1_000_000)) * self.mb
        hold = f"block = bytearray(b'x' * 1_000_000) * {self.mb}; print(flush=True); input()"
        with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            time.sleep(1)  # the sampling looks five times a second
            other.communicate(b"\n")
        return {**REPORT, "held": len(block)}


@dataclass(frozen=True)
class Hangs(Told):
    """Starts two processes, tells who they are, and never ends; if `deaf`, not even when it is asked to."""

    deaf: bool

    def run(self, results: Path) -> dict[str, Any]:
        if self.deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        others = [subprocess.Popen(["sleep", "600"], start_new_session=own) for own in (False, True)]
        results.write_text(" ".join(str(pid) for pid in (os.getpid(), *(other.pid for other in others))))
        time.sleep(600)
        return REPORT


@dataclass(frozen=True)
class LeavesOne(Told):
    """Is done, but leaves a process behind."""

    def run(self, results: Path) -> dict[str, Any]:
        other = subprocess.Popen(["sleep", "600"], start_new_session=True)
        time.sleep(1)  # the sampling looks five times a second
        return {**REPORT, "left": other.pid}
