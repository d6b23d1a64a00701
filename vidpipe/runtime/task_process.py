"""A process that works on tasks: `python -m vidpipe.runtime.task_process DESCRIPTOR`.

The descriptor is a connection to who started it: folders of custom classes, what makes the work, then a task after the
other. It ends when the other side does, in the middle of a task as well.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from vidpipe.core.errors import contained
from vidpipe.core.extensions import find_on

BEAT_S = 1.0  # between two messages that a task gets on


def main(descriptor: int) -> int:
    """Work until nobody wants it any more; the exit status."""
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; who drives decides when to end
    os.set_inheritable(descriptor, False)  # what stages start must not keep it open
    connection = Connection(descriptor)
    try:
        find_on(connection.recv())
        work = pickle.loads(connection.recv_bytes())()
    except Exception as error:
        connection.send(("error", contained(error)))
        return 1
    connection.send(("ready", None))
    if hasattr(work, "beat"):
        work.beat = _beat(connection)
    for task in _tasks(connection):
        try:
            answer = "value", work(pickle.loads(task))
        except Exception as error:
            answer = "error", contained(error)
        connection.send(answer)
    return 0


def _beat(connection: Connection) -> Callable[[], None]:
    """What tells the other side that a task gets on, as often as it wants to know."""
    told_at = -BEAT_S

    def beat() -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= BEAT_S:
            told_at = time.monotonic()
            connection.send(("beat", None))

    return beat


def _tasks(connection: Connection) -> Iterator[Any]:
    """Tasks as they come; a thread waits for them, so that the end of the other side is seen at once."""
    came: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def receive() -> None:
        try:
            while True:
                came.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=receive, name="vidpipe-tasks", daemon=True).start()
    while True:
        yield came.get()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
