"""CPU time of a process and all that it started."""

from __future__ import annotations

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


def _cpu_by_process() -> dict[tuple[int, float], float]:
    own = psutil.Process()
    usage: dict[tuple[int, float], float] = {}
    for process in [own, *own.children(recursive=True)]:
        try:
            times = process.cpu_times()
            usage[process.pid, process.create_time()] = times.user + times.system
        except psutil.Error:  # it ended while we looked
            continue
    return usage
