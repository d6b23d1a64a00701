"""Running a pipeline from beginning to end, on either engine."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol

from vidpipe.engine.changes import changes
from vidpipe.engine.collector import Collector, Sink
from vidpipe.engine.host import Counts, Position
from vidpipe.engine.inline import InlineEngine
from vidpipe.engine.interim import Interim
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.plan import Plan, plan
from vidpipe.engine.provenance import Provenance
from vidpipe.engine.records import Batch
from vidpipe.engine.report import Reporter
from vidpipe.engine.taps import Tap
from vidpipe.engine.writer import Writer
from vidpipe.errors import ConfigError, RunError
from vidpipe.sources.base import StreamInfo

log = logging.getLogger(__name__)

CLOSE_S = 10.0  # for the frame that a thread is at, and for sinks to take more of what waits
STOP_S = 4.0  # from being asked to stop to the end of all streams; who has not ended then is left to itself
USAGE_EVERY_S = 5.0  # a process that ends between two looks at the tree takes its CPU seconds along


class Engine(Protocol):
    """Runs a plan: `open`, `start`, `take` until every stream has ended, `close`."""

    def open(self) -> list[StreamInfo]: ...

    def start(self) -> None: ...

    def take(self, timeout_s: float) -> list[Batch]: ...

    def stop(self) -> None: ...

    def update(self, pipeline: Pipeline) -> None: ...

    def remove(self, streams: Collection[str]) -> None: ...

    def add(self, positions: Mapping[str, Position]) -> None: ...

    def counts(self) -> Counts: ...

    def cpu_s(self) -> float: ...

    def close(self, patience_s: float) -> None:
        """End everything; a thread that is still at work after `patience_s` is left to itself."""
        ...


class Watcher(Protocol):
    """Sees how a run goes on."""

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None: ...


@dataclass(slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        report: as the report file has it.
        errors: what failed while it ran, a line each; frames may have `failed` answers for it.
        notes: what was wrong with the footage, a line each.
        interrupted: somebody asked it to end before it was done.
    """

    report: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        return 130 if self.interrupted else 1 if self.errors else 0


def run(
    pipeline: Pipeline,
    *,
    engine: Literal["ray", "inline"] = "ray",
    address: str | None = None,
    sinks: Sequence[Sink] = (),
    taps: Sequence[Tap] = (),
    watchers: Sequence[Watcher] = (),
    reload: Callable[[], Pipeline | None] | None = None,
    on_report: Callable[[dict[str, Any]], None] | None = None,
) -> Outcome:
    """Answer every frame of the pipeline's streams.

    Args:
        address: of a Ray to join, in place of one of our own.
        sinks: get the answers, in this process; they are closed here.
        taps: get frames and answers, where the frames are.
        watchers: see how it goes on, in this process.
        reload: asked now and then for the pipeline with other streams, None where nothing has changed; what it raises
            is told, and the run goes on as it is.
        on_report: given the report so far, at the beginning and every half minute, in some thread; the whole one is the
            outcome's. What it raises of `VidpipeError` is told, and the run goes on.

    Raises:
        ConfigError: it could not begin: a source, model, stage or sink does not open.
        RunError: the engine could not go on.
    """
    if not pipeline.streams:
        raise ConfigError("nothing to run on: give a file or camera with --source, or streams in a --config file")
    laid = plan(pipeline)
    live = [name for name, stream in pipeline.streams.items() if stream.spec.live]
    provenance = Provenance(pipeline)
    writer = Writer(sinks)
    collector = Collector(pipeline.streams, [writer], live=live)
    runner = _engine(engine, laid, taps, address, collector)
    patience_s = CLOSE_S
    interim: Interim | None = None
    try:
        with _stop_signals() as asked_to_stop:
            infos = runner.open()
            reporter = Reporter(provenance, collector, infos)
            writer.begin(reporter.provenance(pipeline))
            for watcher in watchers:
                watcher.started(infos)
            runner.start()
            reporter.start()
            turnover = Turnover(pipeline, runner, collector, reload)
            interim = Interim(on_report, runner.counts, partial(_so_far, reporter, turnover))
            errors = _collect(runner, collector, writer, watchers, turnover, asked_to_stop, reporter, interim)
            patience_s = 0.5 if asked_to_stop.is_set() else CLOSE_S
            reporter.stop()
            reporter.cpu_s = runner.cpu_s()
            counts = runner.counts()
            interim.close()
    except KeyboardInterrupt:
        patience_s = 0.1
        raise
    finally:
        if interim is not None:
            interim.leave()
        errors_at_end = _close(writer, patience_s)
        runner.close(patience_s)
    errors += [error for error in errors_at_end if error not in errors]
    errors += _stage_errors(counts) + _stream_errors(collector)
    report = reporter.report(turnover.pipeline, counts, finished=True, errors=errors)
    return Outcome(report, errors, _notes(collector), asked_to_stop.is_set())


def _engine(name: str, laid: Plan, taps: Sequence[Tap], address: str | None, collector: Collector) -> Engine:
    if name == "inline":
        return InlineEngine(laid, taps)
    from vidpipe.engine.ray import RayEngine

    return RayEngine(laid, taps, address=address, positions=collector.position)


def _collect(
    runner: Engine,
    collector: Collector,
    writer: Writer,
    watchers: Sequence[Watcher],
    turnover: Turnover,
    stop: threading.Event,
    reporter: Reporter,
    interim: Interim,
) -> list[str]:
    """Take answers until every stream has ended; what kept a sink from taking more ends the run early."""
    errors: list[str] = []
    told_at = math.inf
    looked_at = time.monotonic()
    while time.monotonic() - told_at < STOP_S:
        stopping = stop.is_set() or bool(errors)
        if collector.done and (stopping or turnover.done):
            break
        if stopping and told_at == math.inf:
            runner.stop()
            told_at = time.monotonic()
        if not stopping:
            turnover.go_on()
        if not stopping and turnover.replays and writer.is_full:  # recordings wait until their answers are written
            time.sleep(0.05)
        else:
            for batch in runner.take(0.2):
                try:
                    collector.take(batch)
                except RunError as error:
                    errors.append(str(error))
                    collector.drop_sinks()
        writer.watch()
        for watcher in watchers:
            watcher.progressed(collector)
        if time.monotonic() - looked_at > USAGE_EVERY_S:
            looked_at = time.monotonic()
            reporter.cpu_s = runner.cpu_s()
        interim.go_on()
    return errors


class Turnover:
    """Takes up other streams while a run goes on.

    Attributes:
        pipeline: as it is now.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        runner: Engine,
        collector: Collector,
        reload: Callable[[], Pipeline | None] | None,
    ) -> None:
        self.pipeline = pipeline
        self._runner = runner
        self._collector = collector
        self._reload = reload
        self._ending: set[str] = set()  # streams that begin anew once they have ended

    @property
    def done(self) -> bool:
        """Whether no stream is between its end and its new beginning."""
        return not self._ending

    @property
    def replays(self) -> bool:
        """Whether there are recordings, which wait for us."""
        return not all(stream.spec.live for stream in self.pipeline.streams.values())

    def go_on(self) -> None:
        """Look whether something has changed, and begin anew what has ended for it."""
        if self._reload is None:
            return
        try:
            if (fresh := self._reload()) is not None:
                self._take_up(fresh)
        except ConfigError as error:
            log.warning("the configuration is not taken up, and the run goes on as it is: %s", error)
        if ended := self._ending & self._collector.ended.keys():
            self._ending -= ended
            self._begin(ended)

    def _take_up(self, fresh: Pipeline) -> None:
        found = changes(self.pipeline, fresh)
        if not found:
            log.warning("the configuration was read again: %s", found)
            return
        self.pipeline = fresh
        self._runner.update(fresh)
        going = {*found.removed, *found.changed} - self._collector.ended.keys()
        self._runner.remove(going)
        anew = {stream for stream in found.added if stream in self._collector.ledgers}
        self._ending = (self._ending | set(found.changed) | anew) & fresh.streams.keys()
        self._begin([stream for stream in found.added if stream not in anew])
        log.warning("the configuration was taken up: %s", found)

    def _begin(self, streams: Collection[str]) -> None:
        for stream in streams:
            self._collector.begin(stream, live=self.pipeline.streams[stream].spec.live)
        self._runner.add({stream: self._collector.position(stream) for stream in streams})


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM ask the run to end in order; a second one ends it at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, _: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _so_far(reporter: Reporter, turnover: Turnover, counts: Counts) -> dict[str, Any]:
    return reporter.report(turnover.pipeline, counts, finished=False)


def _close(writer: Writer, patience_s: float) -> list[str]:
    try:
        writer.close(patience_s)
    except RunError as error:
        return [str(error)]
    return []


def _stage_errors(counts: Counts) -> list[str]:
    return [
        f"stage {stage} raised {f'{meter.errors} times, first' if meter.errors > 1 else 'once'}: {meter.first_error}"
        for stage, meter in counts.stages.items()
        if meter.errors
    ]


def _stream_errors(collector: Collector) -> list[str]:
    errors = [f"stream {end.stream} broke off: {end.error}" for end in collector.ended.values() if end.error]
    errors += [failure for end in collector.ended.values() for failure in end.failures]
    for stream, ledger in collector.ledgers.items():
        if count := ledger.engine_failures:
            errors.append(f"stream {stream}: {count} frames failed in the engine, first: {ledger.engine_failure}")
    return errors


def _notes(collector: Collector) -> list[str]:
    ends = collector.ended.values()  # what broke a stream off is told as an error
    return [f"{end.stream}: {note}" for end in ends for note in end.notes if note != str(end.error)]
