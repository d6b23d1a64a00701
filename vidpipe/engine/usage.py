"""CPU time of a process and all that it started, and which machine this is."""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil


class TreeUsage:
    """CPU seconds of this process and its descendants since it was made; what a descendant used stays when it ends."""

    def __init__(self) -> None:
        self._before = _cpu_by_process()
        self._seen = dict(self._before)

    def cpu_s(self) -> float:
        """Call it now and then: a process that comes and goes between two calls is not seen."""
        self._seen.update(_cpu_by_process())
        return sum(seconds - self._before.get(process, 0.0) for process, seconds in self._seen.items())


@cache
def machine() -> str:
    """Names this machine since it was started: who has the same name has the same monotonic clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


def own_cpu_s() -> float:
    """CPU seconds so far of this process, with those of trainings that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def tree_cpu_s(pid: int | None = None) -> float:
    """CPU seconds so far of a process (default: this one) and its descendants, with those that have been waited for."""
    every = (times.user + times.system + times.children_user + times.children_system for _, times in _tree(pid))
    return float(sum(every))


def _cpu_by_process() -> dict[tuple[int, float], float]:
    return {process: times.user + times.system for process, times in _tree()}


def _tree(pid: int | None = None) -> Iterator[tuple[tuple[int, float], Any]]:
    """A process and its descendants, each as (pid, time of its start), with its CPU times."""
    first = psutil.Process(pid)
    for process in [first, *first.children(recursive=True)]:
        try:
            yield (process.pid, process.create_time()), process.cpu_times()
        except psutil.Error:  # it ended while we looked
            continue
