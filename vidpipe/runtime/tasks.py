"""Tasks that processes work on, one each at a time; a process that dies is replaced, and costs its task alone."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NamedTuple, Protocol

from vidpipe.core.errors import RunError

Work = Callable[[Any], Any]
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

    def close(self) -> None:
        """End all of them; what they are at is lost."""
        ...


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    task: Any = None


class LocalTaskWorkers:
    """Processes of this machine, each started when it is first needed: `python -m vidpipe.runtime.task_process`.

    Each ends with this process, however that ends.

    Args:
        count: how many.
        search_paths: folders that `make` may come from.
        make: makes the work, in each process; it pickles.
    """

    def __init__(self, count: int, search_paths: Sequence[str], make: Callable[[], Work]) -> None:
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
        process.task = task
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
            if kind == "ready":
                process.ready = True
                continue
            if not process.ready:  # what makes the work raised
                raise told
            del self._busy[connection]
            self._idle.append(process)
            done.append(Done(process.task, **{kind: told}))
        return done

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
            raise RunError(f"a worker process does not start: it was {how}" if status < 0 else f"a worker {how}")
        return how
