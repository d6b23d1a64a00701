"""What a model costs: pictures, wall time, and CPU time with that of the runtime's own threads.

`time.thread_time` knows nothing of those threads, and the process's clock counts all models and stages at once. On
Linux each thread has a CPU clock that any thread of the process may read; so the threads that come up while a model is
loaded and run for the first time are noted, and their clocks read around each call. OpenVINO's models share one pool of
them: what the pool worked between two readings goes to the model that ran.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image
from vidpipe.models.base import Detector, Embedder, ModelSpec

if TYPE_CHECKING:
    import supervision as sv

_TASKS = Path("/proc/self/task")


class Meter:
    """The cost of one model so far, summed over the threads that use it.

    Attributes:
        calls: pictures.
        wall_ns, cpu_ns: nanoseconds, from a picture as it was handed in to its boxes or vector.
        shared: pictures of these at which another query had looked already.
    """

    __slots__ = ("calls", "cpu_ns", "shared", "wall_ns")

    def __init__(self) -> None:
        self.calls = 0
        self.shared = 0
        self.wall_ns = 0
        self.cpu_ns = 0

    def snapshot(self) -> tuple[int, int, int]:
        """(calls, wall_ns, cpu_ns)."""
        return self.calls, self.wall_ns, self.cpu_ns

    @contextmanager
    def measure(self, pictures: int) -> Iterator[None]:
        """Add what the block costs."""
        _POOL.start()
        wall, own = time.perf_counter_ns(), _own_ns()
        try:
            yield
        finally:
            _POOL.stop(self, pictures, time.perf_counter_ns() - wall, _own_ns() - own)


class MeteredDetector:
    """A `Detector` that counts its cost in `meter`."""

    def __init__(self, detector: Detector, meter: Meter | None = None) -> None:
        self._detector = detector
        self.meter = meter or Meter()

    @property
    def spec(self) -> ModelSpec:
        return self._detector.spec

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """See `Detector.detect`."""
        with self.meter.measure(len(images)):
            return self._detector.detect(images, floor)

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """See `Detector.keep_sure`."""
        return self._detector.keep_sure(detections)

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """See `Detector.margins`."""
        return self._detector.margins(detections)


class MeteredEmbedder:
    """An `Embedder` that counts its cost in `meter`."""

    def __init__(self, embedder: Embedder, meter: Meter | None = None) -> None:
        self._embedder = embedder
        self.meter = meter or Meter()

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        with self.meter.measure(len(images)):
            return self._embedder.embed(images)


@contextmanager
def noting_threads() -> Iterator[None]:
    """Take the threads that come up inside the block, Python's own aside, for threads of a runtime.

    Wrap what loads a model and runs it for the first time.
    """
    before = _threads()
    try:
        yield
    finally:
        python = {thread.native_id for thread in threading.enumerate()}
        _POOL.add(_threads() - before - python)


class _Pool:
    """The CPU clocks of all runtimes' threads in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, int] = {}
        self._running = 0
        self._last: Meter | None = None

    def add(self, threads: set[int]) -> None:
        with self._lock:
            if not self._running:
                self._worked()  # loading is on nobody's bill
            for thread in threads:
                clock = _clock_of(thread)
                self._seen[clock] = _read(clock) or 0

    def start(self) -> None:
        _LENT.shared = 0
        with self._lock:
            # Threads spin a while (1 ms) after their work, in case of more: that is on the bill of who ran last.
            if not self._running:
                worked = self._worked()
                if self._last is not None:
                    self._last.cpu_ns += worked
            self._running += 1

    def stop(self, meter: Meter, pictures: int, wall_ns: int, own_ns: int) -> None:
        with self._lock:
            self._running -= 1
            self._last = meter
            meter.calls += pictures
            meter.shared += _LENT.shared
            _LENT.shared = 0
            meter.wall_ns += wall_ns
            worked = self._worked()
            meter.cpu_ns += own_ns + worked
            _LENT.cpu_ns += worked

    def _worked(self) -> int:
        """Nanoseconds since this was last asked."""
        worked = 0
        for clock, seen in list(self._seen.items()):
            now = _read(clock)
            if now is None:
                del self._seen[clock]
            else:
                worked += now - seen
                self._seen[clock] = now
        return worked


class _Lent(threading.local):
    """What others have done for this thread: CPU time of the runtimes' threads and of other processes, and looks."""

    cpu_ns = 0
    elsewhere_ns = 0
    shared = 0


_POOL = _Pool()
_LENT = _Lent()


def thread_cpu_ns() -> int:
    """CPU time of the calling thread, with what runtimes worked for its calls of metered models."""
    return _own_ns() + _LENT.cpu_ns


def add_elsewhere(cpu_ns: int) -> None:
    """Another process has worked so long for the calling thread."""
    _LENT.elsewhere_ns += cpu_ns


def count_shared(pictures: int) -> None:
    """Of so many pictures of the call that this thread is in, another query had seen what the network sees in them."""
    _LENT.shared += pictures


def _own_ns() -> int:
    return time.thread_time_ns() + _LENT.elsewhere_ns


def _threads() -> set[int]:
    """Ids of this process's threads; empty where the system does not tell."""
    try:
        return {int(task.name) for task in _TASKS.iterdir()}
    except OSError:
        return set()


def _clock_of(thread: int) -> int:
    """The id of another thread's CPU clock, as Linux makes it (CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED)."""
    return (~thread << 3) | 6


def _read(clock: int) -> int | None:
    try:
        return time.clock_gettime_ns(clock)
    except OSError:  # the thread has ended
        return None
