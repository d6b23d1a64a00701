"""Tasks that processes work on, one each at a time; one that dies or hangs is replaced, and costs its task alone."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NamedTuple, Protocol

from vidpipe.core.errors import RunError

Work = Callable[[Any], Any]
"""Does a task. Where it has an attribute `beat`, that is what it calls now and then while it gets on."""

FIRST_TAKES = 5  # times as long the first task of a process may be silent: it loads what all need
END_S = 5.0  # for a process to end by itself


class Done(NamedTuple):
    """What became of a task.

    Attributes:
        value: what the work returned.
        error: what it raised.
        died: how the process ended that worked on it; "" where it did not.
    """

    task: Any
    value: Any = None
    error: Exception | None = None
    died: str = ""


class TaskWorkers(Protocol):
    """Processes, here or elsewhere. One thread calls them."""

    @property
    def free(self) -> int:
        """How many tasks may be put now."""
        ...

    def put(self, task: Any) -> None:
        """Have a free process work on a task."""
        ...

    def take(self, timeout_s: float) -> list[Done]:
        """What is done, as soon as something is.

        Raises:
            RunError: no process can be started, or reached.
        """
        ...

    def end_silent(self, longest_s: float) -> None:
        """End processes that have not got on with their task for so long: their tasks come back as of ones that died.

        The first task of a process may take `FIRST_TAKES` times as long.
        """
        ...

    def close(self) -> None:
        """End all of them; what they are at is lost."""
        ...


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    task: Any = None
    heard_at: float = 0.0
    done: int = 0
    hung: str = ""

    def silent_s(self, now: float) -> float:
        """For how long it has not got on, as far as that is not usual."""
        return (now - self.heard_at) / (1 if self.done else FIRST_TAKES)


class LocalTaskWorkers:
    """Processes of this machine, each started when it is first needed: `python -m vidpipe.runtime.task_process`.

    Each ends with this process, however that ends.

    Args:
        count: how many.
        search_paths: folders that `make` may come from.
        make: makes the work, in each process; it pickles.
        now: seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        count: int,
        search_paths: Sequence[str],
        make: Callable[[], Work],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._count = count
        self._search_paths = list(search_paths)
        self._make = pickle.dumps(make)
        self._busy: dict[Connection, _Process] = {}
        self._idle: deque[_Process] = deque()

    @property
    def free(self) -> int:
        return self._count - len(self._busy)

    def put(self, task: Any) -> None:
        process = self._idle.popleft() if self._idle else self._started()
        process.task, process.heard_at = task, self._now()
        self._busy[process.connection] = process
        with suppress(OSError):  # it has died: that is told when its end is taken
            process.connection.send_bytes(pickle.dumps(task))

    def take(self, timeout_s: float) -> list[Done]:
        done: list[Done] = []
        for connection in wait(list(self._busy), timeout_s):
            assert isinstance(connection, Connection)
            process = self._busy[connection]
            try:
                kind, told = connection.recv()
            except (EOFError, OSError):
                del self._busy[connection]
                done.append(Done(process.task, died=self._buried(process)))
                continue
            process.heard_at = self._now()
            if kind in ("ready", "beat"):
                process.ready = True
                continue
            if not process.ready:  # what makes the work raised
                raise told
            del self._busy[connection]
            process.done += 1
            self._idle.append(process)
            done.append(Done(process.task, **{kind: told}))
        return done

    def end_silent(self, longest_s: float) -> None:
        now = self._now()
        for process in self._busy.values():
            if process.silent_s(now) > longest_s and not process.hung:
                process.hung = f"hung: nothing was heard of it for {now - process.heard_at:.0f} s"
                process.popen.kill()

    def close(self) -> None:
        every = [*self._busy.values(), *self._idle]
        self._busy, self._idle = {}, deque()
        for process in every:
            process.connection.close()
        for process in every:
            try:
                process.popen.wait(END_S)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()

    def _started(self) -> _Process:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "vidpipe.runtime.task_process", str(theirs.fileno())]
        try:
            # What a stage prints is not to get among what the command writes to stdout.
            popen = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=2)
        except OSError as error:
            raise RunError(f"a worker process does not start: {error.strerror}") from None
        theirs.close()
        with suppress(OSError):
            ours.send(self._search_paths)
            ours.send_bytes(self._make)
        return _Process(popen, ours)

    def _buried(self, process: _Process) -> str:
        """How a process ended; raises RunError where it had not even begun."""
        process.connection.close()
        status = process.popen.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if not process.ready:
            raise RunError(f"a worker process does not start: {process.hung or how}")
        return process.hung or how
