"""The states of a run, which may follow which, and how a run is asked to end."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

STOP_S = 4.0  # from being asked to stop to the end of all streams; a stream that has not ended then is abandoned
LEAST_CLOSE_S = 0.3  # for sinks to take more of what waits, where streams have used up all of that time


class RunState(StrEnum):
    """State of a run."""

    OPENING = "opening"  # models load, sources open
    RUNNING = "running"
    WAITING = "waiting for the cluster"  # that it ran on: it goes on where it was once that is back
    STOPPING = "stopping"  # no source is read any more; what was read gets its answers
    ENDED = "ended"  # in order: every frame that was read has its answer
    FAILED = "failed"  # it could not begin, or the engine could not go on


NEXT: Mapping[RunState, frozenset[RunState]] = {
    RunState.OPENING: frozenset({RunState.RUNNING, RunState.STOPPING, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.WAITING, RunState.STOPPING, RunState.ENDED, RunState.FAILED}),
    RunState.WAITING: frozenset({RunState.RUNNING, RunState.STOPPING, RunState.ENDED, RunState.FAILED}),
    RunState.STOPPING: frozenset({RunState.ENDED, RunState.FAILED}),
    RunState.ENDED: frozenset(),
    RunState.FAILED: frozenset(),
}
"""The states that may follow each state."""


class Asked(threading.Event):
    """Whether somebody asked the run to end, and how long everything may still take."""

    def __init__(self) -> None:
        super().__init__()
        self._at = math.inf

    def set(self) -> None:
        self._at = min(self._at, time.monotonic())
        super().set()

    def left_s(self) -> float:
        return max(LEAST_CLOSE_S, self._at + STOP_S - time.monotonic())


def keep_sigterm() -> Callable[[], None]:
    """Note the handler of SIGTERM, and return what puts it back; in other threads than the main one that does nothing.

    Ray replaces it behind Python's back: its own writes a stack trace, and ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handler = signal.getsignal(signal.SIGTERM)

    def put_back() -> None:
        if handler is not None:  # else it is none of Python's
            signal.signal(signal.SIGTERM, handler)

    return put_back
