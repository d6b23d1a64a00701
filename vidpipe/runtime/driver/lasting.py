"""The engine of a run that outlives its cluster: it waits when that is gone, and goes on when a Ray is back there.

The run itself stays: what it has counted, its sinks and its page, and where each stream stands. So a recording goes on
behind its last answer, and a camera with the next picture, as after the death of a device.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as waited
from dataclasses import replace

from vidpipe.core.clock import Clock
from vidpipe.core.errors import ClusterError, RunError, VidpipeError
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.machinery import LoadMeter, Machinery, driver, this_machine
from vidpipe.results.records import Batch, Counts, Ended, Position
from vidpipe.results.usage import own_cpu_s
from vidpipe.runtime.engine import Engine, make_engine
from vidpipe.runtime.shadow.ask import ShadowAsk
from vidpipe.runtime.sharing import QueryShare
from vidpipe.sources.base import StreamInfo

log = logging.getLogger(__name__)

FIRST_S = 1.0  # from the loss to the first look whether a Ray is there
LONGEST_S = 30.0  # between two looks; each time twice as long, up to that
CLUSTER = "cluster"  # how reports call what was lost
_CLOSE_S = 1.0


def engine_of(
    name: str,
    laid: Plan,
    frame_sinks: Sequence[FrameSink],
    *,
    address: str | None,
    positions: Callable[[str], Position],
    clock: Clock,
    waits: bool,
    share: QueryShare | None = None,
) -> Engine:
    """The engine of that name. Arguments and errors as of `make_engine`.

    Args:
        waits: where the Ray at the address goes away, until one is back there.
    """

    def make(laid: Plan) -> Engine:
        return make_engine(name, laid, frame_sinks, address=address, positions=positions, clock=clock, share=share)

    if not waits or address is None or name == "inline":
        return make(laid)

    def again(pipeline: Pipeline) -> Engine:
        return make(replace(plan(pipeline), pictures=laid.pictures, traces=laid.traces))

    return LastingEngine(again, laid.pipeline)


class LastingEngine:
    """See the module. Arguments and methods as of `Engine`.

    Args:
        make: an engine for these streams of a pipeline, which begin where they stand.
        pipeline: to begin with.
        first_s: see `FIRST_S`; less in tests.

    Attributes:
        waiting: whether the cluster is gone.
    """

    def __init__(self, make: Callable[[Pipeline], Engine], pipeline: Pipeline, first_s: float = FIRST_S) -> None:
        self._make = make
        self._pipeline = pipeline
        self._first_s = first_s
        self._engine = make(pipeline)
        self._going = set(pipeline.streams)
        self._lock = threading.Lock()  # of the two above, and of what follows
        self._ended: list[Ended] = []  # that nobody has been told of
        self._before = Counts({}, {}, {})  # what the engines before have counted
        self._cpu_before_s = 0.0
        self._back: Future[Engine] | None = None
        self._rejoined: set[str] = set()  # the streams that the last engine was made for
        self._lost_at = 0.0
        self._load = LoadMeter()
        self._stopped = threading.Event()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="vidpipe-rejoin")

    @property
    def waiting(self) -> bool:
        return self._back is not None

    def open(self, stop: threading.Event) -> list[StreamInfo]:
        return self._engine.open(stop)

    def start(self) -> None:
        self._engine.start()

    def take(self, timeout_s: float, *, hold: bool = False) -> list[Batch]:
        with self._lock:
            ended, self._ended = self._ended, []
        batches = [Batch(ended=ended)] if ended else []
        if self._back is not None:
            return [*batches, *self._look(timeout_s)]
        try:
            taken = self._engine.take(timeout_s, hold=hold)
        except ClusterError as error:
            if self._stopped.is_set():
                raise
            return [*batches, *self._lose(error)]
        with self._lock:
            self._going -= {ended.stream for batch in taken for ended in batch.ended}
        return [*batches, *taken]

    def rest(self) -> list[Batch]:
        return self._engine.rest()

    def stop(self) -> None:
        self._stopped.set()
        if self._back is None:
            self._engine.stop()

    def update(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        if not self.waiting:
            self._engine.update(pipeline)

    def check(self, pipeline: Pipeline) -> None:
        self._there().check(pipeline)

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        self._there().prepare(configs)

    def remove(self, streams: Collection[str]) -> None:
        if not self.waiting:
            self._engine.remove(streams)
            return
        with self._lock:
            self._ended += [Ended(stream) for stream in streams if stream in self._going]
            self._going -= set(streams)

    def add(self, positions: Mapping[str, Position]) -> None:
        with self._lock:
            self._going |= positions.keys()
        if not self.waiting:
            self._engine.add(positions)

    def ask(self, stream: str, asks: Sequence[ShadowAsk]) -> None:
        if not self.waiting:
            self._engine.ask(stream, asks)

    def away(self) -> Mapping[str, Mapping[str, float]]:
        if not self.waiting:
            return self._engine.away()
        with self._lock:
            return {stream: {CLUSTER: self._lost_at} for stream in self._going}

    def counts(self, *, fresh: bool = True) -> Counts:
        return self._before if self.waiting else self._before + self._engine.counts(fresh=fresh)

    def machinery(self) -> Machinery:
        """Without a cluster there is this process, and nobody knows of the others."""
        if not self.waiting:
            return self._engine.machinery()
        load = self._load.look()
        return Machinery([this_machine(load, [])], [driver(load, own_cpu_s())])

    def cpu_s(self) -> float:
        return self._cpu_before_s + (0.0 if self.waiting else self._engine.cpu_s())

    def close(self, patience_s: float) -> None:
        self._stopped.set()
        self._aside.shutdown(wait=False, cancel_futures=True)
        if self._back is None:
            self._engine.close(patience_s)
        elif self._back in waited([self._back], patience_s).done and self._back.exception() is None:
            self._back.result().close(patience_s)

    def _there(self) -> Engine:
        if self.waiting:
            raise RunError("the run waits for its cluster: nothing changes until that is back")
        return self._engine

    def _lose(self, error: ClusterError) -> list[Batch]:
        """Take what the engine still has, and begin to wait."""
        log.warning("%s; the run waits until it is back", error)
        batches = self._engine.rest()
        self._engine.stop()  # who tries to reach its parts ends, before Ray does
        with self._lock:
            for batch in batches:
                batch.ended = []  # they were stopped, and go on
        counts = self._engine.counts(fresh=False).past()
        self._before += counts._replace(deaths={**counts.deaths, CLUSTER: (time.time(),)})
        self._cpu_before_s += self._engine.cpu_s()
        self._lost_at = time.monotonic()
        self._back = self._aside.submit(self._rejoin, self._engine)
        return batches

    def _look(self, timeout_s: float) -> list[Batch]:
        """Whether it is back."""
        assert self._back is not None
        if self._stopped.is_set() and not (self._back.done() and self._back.exception() is None):
            with self._lock:
                ended, self._going = [Ended(stream) for stream in self._going], set()
            return [Batch(ended=ended)]
        try:
            self._engine = self._back.result(timeout_s)
        except TimeoutError:
            return []
        self._back = None
        log.warning("the cluster is back after %.0f s; the run goes on", time.monotonic() - self._lost_at)
        if self._stopped.is_set():
            self._engine.stop()
        with self._lock:
            going, left = sorted(self._going), self._rejoined - self._going
        if left:
            self._engine.remove(left)
        return [Batch(begun_anew=going)]

    def _rejoin(self, lost: Engine) -> Engine:
        """An engine that has started on the Ray that is there then; raises RunError where the run ends before."""
        lost.close(_CLOSE_S)
        wait_s, said = self._first_s, ""
        # Many runs wait for one head: they do not all come at once.
        while not self._stopped.wait(wait_s * random.uniform(0.5, 1.0)):
            wait_s = min(2 * wait_s, LONGEST_S)
            with self._lock:
                streams = {name: each for name, each in self._pipeline.streams.items() if name in self._going}
                self._rejoined = set(streams)
            engine = self._make(replace(self._pipeline, streams=streams))
            try:
                engine.open(self._stopped)
                if not self._stopped.is_set():
                    engine.start()
                    return engine
            except Exception as error:  # whatever it is, it may be so only until all machines are back
                told = str(error) if isinstance(error, VidpipeError) else f"{type(error).__name__}: {error}"
                if (why := told.partition("\n")[0]) != said:
                    log.warning("the run still waits: %s", why)
                    said = why
            engine.close(_CLOSE_S)
        raise RunError("the run has ended before its cluster was back")
