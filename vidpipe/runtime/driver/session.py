"""A run as something to hold: iterate over its results, ask how it fares, change its settings, stop it."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Literal

from vidpipe.core.clock import REAL, Clock, Jumps
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.event import Event
from vidpipe.core.traces import check_installed
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.joins import Joins, sighted
from vidpipe.results.machinery import Machinery
from vidpipe.results.provenance import Provenance
from vidpipe.results.records import Batch, Counts, Result
from vidpipe.results.report import Reporter
from vidpipe.results.sinks.base import Sink
from vidpipe.results.taught import taught_report
from vidpipe.results.writer import Writer
from vidpipe.runtime.driver.control import Control
from vidpipe.runtime.driver.controllable import Controllable
from vidpipe.runtime.driver.feed import Feed
from vidpipe.runtime.driver.interim import Interim
from vidpipe.runtime.driver.lasting import engine_of
from vidpipe.runtime.driver.outcome import Outcome, closed, counted, notes_of, stage_errors, stream_errors, told
from vidpipe.runtime.driver.questions import Questions
from vidpipe.runtime.driver.states import NEXT, STOP_S, Asked, RunState, keep_sigterm
from vidpipe.runtime.driver.status import Status, status_of
from vidpipe.runtime.driver.tuner import tuned, tuner_of
from vidpipe.runtime.driver.watcher import Watcher, Watching
from vidpipe.runtime.engine import usual_engine
from vidpipe.runtime.opening import LOOK_S
from vidpipe.runtime.sharing import QueryShare
from vidpipe.transforms.base import Transform

log = logging.getLogger(__name__)

WAITING = 1024  # results that wait for whoever iterates
WAITING_PICTURES = 32  # the same where each brings its picture: some 40 MB at 768x576
CLOSE_S = 10.0  # for the frame that a thread is at, and for sinks to take more of what waits
USAGE_EVERY_S = 5.0  # a process that ends between two looks at the tree takes its CPU seconds along


class Run(Controllable):
    """A pipeline that runs: `with Run(pipeline) as run: for result in run: ...`.

    Entering the block opens everything and begins; leaving it, also by an exception, stops it in order and waits. All
    methods may be called from any thread.

    Iterating gives each stream's results in order of `seq`, until all streams have ended. If it is too slow,
    recordings wait; of live streams the oldest waiting results are left out, and counted (`status().lost`). Iterate in
    one place only: two iterators share the results between them.

    Args:
        pipeline: with its streams, as `load` gives it.
        engine: "ray": actors, on this machine or a cluster; "inline": threads of this process. None: actors, where Ray
            is installed.
        address: of a Ray to join, in place of one of our own.
        waits: where that Ray goes away, until one is back at its address; else the run ends then.
        sinks: get the results, in this process; they are closed at the end.
        frame_sinks: get frames and answers, where the frames are.
        watchers: see the progress, in this process.
        reload: called now and then for the pipeline with other streams or settings, None where nothing has changed;
            what it raises is logged, and the run goes on unchanged.
        on_report: gets the report so far, at the beginning and every half minute, in some thread; the final one is the
            outcome's. A `VidpipeError` that it raises is logged, and the run goes on.
        results: False if nobody will iterate.
        pictures: whether results contain their picture.
        traces: the share of frames, 0..1, whose way is traced by OpenTelemetry; see docs/results.md.
        held: sinks, watchers and `on_report` get nothing until it takes the place of another run (`take_over`).
        clock: that all waits and ages of the run go by; a `vidpipe.testing.clock.HandClock` is turned by a test. Only
            with the inline engine: actors are processes of their own, and go by the clocks of their machines.
        share: what it has in common with other runs of this process, whose queries go on beside it (`Queries`); None:
            it is alone.

    Raises:
        ConfigError: the pipeline has no streams, its tuner cannot tune it, or the engine goes by no other clock than
            the machine's.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        engine: Literal["ray", "inline"] | None = None,
        address: str | None = None,
        waits: bool = False,
        sinks: Sequence[Sink] = (),
        frame_sinks: Sequence[FrameSink] = (),
        watchers: Sequence[Watcher] = (),
        reload: Callable[[], Pipeline | None] | None = None,
        on_report: Callable[[dict[str, Any]], None] | None = None,
        results: bool = True,
        pictures: bool = False,
        traces: float = 0.0,
        held: bool = False,
        clock: Clock = REAL,
        share: QueryShare | None = None,
    ) -> None:
        if not pipeline.streams:
            raise ConfigError("nothing to run on: give a file or camera with --source, or streams in a --config file")
        if traces:
            check_installed("tracing")
        live = [name for name, stream in pipeline.streams.items() if stream.spec.live]
        self._sinks = [*sinks, *(part.make() for part in pipeline.sinks)]
        frame_sinks = [*frame_sinks, *(each for sink in self._sinks if (each := sink.frame_sink) is not None)]
        self._tuner = tuner_of(pipeline)
        self._watchers = watchers
        self._on_report = on_report
        self._held = held
        self._writer: Writer | None = None
        self._clock = clock
        self._jumps = Jumps(clock)
        self._joins = Joins()
        catch_up = any(part.type.published is not Transform.published for part in pipeline.transforms)
        self._collector = Collector(pipeline.streams, live=live, clock=clock, catch_up=catch_up)
        for name, stream in pipeline.streams.items():
            self._collector.promise(name, stream.spec.floor, stream.spec.want)
        laid = replace(plan(pipeline), pictures=pictures, traces=traces)
        self._engine = engine_of(
            engine or usual_engine(),
            laid,
            frame_sinks,
            address=address,
            positions=lambda stream: self._control.position(stream),
            clock=clock,
            waits=waits,
            share=share,
        )
        self._share = share
        self._control = Control(pipeline, self._engine, self._collector, reload, clock)
        self._questions = Questions(self._engine.ask)
        self._feed: Feed[Result] = Feed(WAITING_PICTURES if pictures else WAITING, clock)
        if not results:
            self._feed.abandon()
        self._events: Feed[Event] = Feed(WAITING, clock)
        self._iterating = 0
        self._state = RunState.OPENING
        self._changed = threading.Condition()
        self._asked = Asked()
        self._at_once = False
        self._error: BaseException | None = None
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name="vidpipe-run", daemon=True)

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return self._state

    def start(self) -> Run:
        """Open everything and begin; returns when the first pictures are read.

        Raises:
            ConfigError: it cannot begin: a source, model or stage does not open.
            RunError: the engine does not start.
        """
        put_back = keep_sigterm()
        self._thread.start()
        opening = True
        while opening:
            with self._changed:
                opening = not self._changed.wait_for(lambda: self._state is not RunState.OPENING, LOOK_S)
            put_back()
        if self._state is RunState.FAILED and self._error is not None:
            raise self._error
        return self

    def stop(self) -> None:
        """Ask the run to end in order, and return at once: no more is read, and what was read is answered."""
        self._asked.set()

    def join(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end. Results that nobody takes are dropped.

        Raises:
            TimeoutError: it has not ended in that time.
            RunError: the engine could not go on.
        """
        if not self._iterating:
            self._feed.abandon()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the run has not ended within {timeout_s:g} s")
        if self._outcome is None:
            raise self._error or RunError("the run ended without an outcome")
        return self._outcome

    def take_over(self, before: Run) -> None:
        """Have the sinks get what this run has answered since the last answers of that one, which has ended.

        Raises:
            ConfigError: a sink does not open.
            RunError: this run does not go on, or was not held.
        """
        if self._writer is None or not self._writer.held or before._writer is None:
            raise RunError(f"the run cannot take the place of another one: it is {self._state}")
        newest = {stream: before._collector.newest(stream) for stream in before._collector.ledgers}
        until = {stream: last.captured_at for stream, last in newest.items() if last and last.captured_at is not None}
        self._writer.release(before._writer.start, until)

    async def stopped(self) -> Outcome:
        """`join` for asyncio."""
        return await asyncio.to_thread(self.join)

    def events(self) -> Feed[Event]:
        """The events of transforms, to iterate over beside the results, in a thread or under asyncio.

        The newest thousand wait for whoever iterates; older ones are left out, and counted in its `lost`.
        """
        return self._events

    def status(self) -> Status:
        """The status at this moment, as an immutable snapshot; stages and links on Ray as of a second or so ago."""
        runs = self._state is RunState.RUNNING
        told = self._engine.counts(fresh=False) if runs else None, self._engine.machinery() if runs else Machinery()
        wrong = [*self._jumps.told(), *(self._writer.troubles() if self._writer else ())]
        with self._changed:
            return status_of(self._state, self._collector, self._control, *told, self._feed, self._clock, wrong)

    def __enter__(self) -> Run:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._feed.abandon()
        self._at_once = kind is not None and not issubclass(kind, Exception)  # a second Ctrl-C
        try:
            self.join()
        except Exception:
            if error is None:  # an exception in the block is what its author wants to see
                raise

    def __iter__(self) -> Iterator[Result]:
        with self._reading():
            yield from self._feed

    async def __aiter__(self) -> AsyncIterator[Result]:
        with self._reading():
            async for result in self._feed:
                yield result

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._iterating += 1
        try:
            yield
        finally:
            self._iterating -= 1

    def _run(self) -> None:
        self._writer = writer = Writer(self._sinks, self._clock, held=self._held)
        self._collector.sink_counts = writer.counts
        self._collector.taught = lambda: taught_report(self._control.pipeline, writer.audited())
        self._collector.counts = partial(self._engine.counts, fresh=False)
        try:
            self._outcome = self._answer_all(writer)
            self._enter(RunState.ENDED)
        except BaseException as error:  # whatever it is, it is for whoever waits for this thread
            self._error = error
            self._enter(RunState.FAILED)
        self._questions.end()
        self._feed.end(self._error)
        self._events.end(self._error)

    def _answer_all(self, writer: Writer) -> Outcome:
        """From opening to the report."""
        patience_s = CLOSE_S
        provenance = Provenance(self._control.pipeline, query="" if self._share is None else self._share.name)
        interim: Interim | None = None
        try:
            reporter = Reporter(provenance, self._collector, self._engine.open(self._asked))
            writer.begin(reporter.provenance(self._control.pipeline), self)
            watching = Watching(self._watchers, reporter.infos, lambda: writer.held)
            watching.start()
            build = partial(self._report, reporter, finished=False)
            takers = [self._on_report and self._put_report, writer.report if writer.takes_reports else None]
            interim = Interim(takers, self._engine.counts, build, self._clock)
            errors: list[str] = []
            if self._asked.is_set():
                self._enter(RunState.STOPPING)
            else:
                self._engine.start()
                reporter.start()
                self._enter(RunState.RUNNING)
                with tuned(self._tuner, self, self._clock):
                    errors = self._take_all(writer, reporter, interim, watching)
                reporter.stop()
            patience_s = 0.1 if self._at_once else self._asked.left_s() if self._asked.is_set() else CLOSE_S
            counts, failure = counted(self._engine)
            if self._share is not None:
                self._share.hear()
            errors += [failure] if failure and not errors else []
            reporter.cpu_s = self._engine.cpu_s()
            interim.close()
            if writer.takes_reports:
                writer.report(self._report(reporter, counts, finished=False))
        finally:
            if interim is not None:
                interim.leave()
            errors_at_end = closed(writer, patience_s)
            self._engine.close(patience_s)
        errors += [error for error in errors_at_end if error not in errors]
        errors += stage_errors(counts) + stream_errors(self._collector)
        report = self._report(reporter, counts, finished=True, errors=errors)
        return Outcome(report, errors, notes_of(self._collector), self._asked.is_set(), self._control.pipeline)

    def _report(
        self, reporter: Reporter, counts: Counts, *, finished: bool, errors: Sequence[str] = ()
    ) -> dict[str, Any]:
        control = self._control
        report = reporter.report(control.pipeline, counts, finished=finished, errors=errors)
        for stream, part in report["streams"].items():
            part |= {"settings": control.timeline(stream), "tuning": self._questions.bill(stream)}
        return report if self._share is None else self._share.told(report)

    def _put_report(self, report: dict[str, Any]) -> None:
        if self._on_report is not None and self._writer is not None and not self._writer.held:
            self._on_report(report)

    def _take_all(self, writer: Writer, reporter: Reporter, interim: Interim, watching: Watching) -> list[str]:
        """Take answers until every stream has ended; what keeps a sink or the engine from going on ends it early."""
        errors: list[str] = []
        told_at = math.inf
        looked_at = self._clock.monotonic()
        collector, control = self._collector, self._control
        while time.monotonic() - told_at < STOP_S and not self._at_once:
            stopping = self._asked.is_set() or bool(errors)
            if collector.done and (stopping or control.done):
                break
            if stopping and told_at == math.inf:
                self._enter(RunState.STOPPING)
                self._engine.stop()
                told_at = time.monotonic()
            if not stopping:
                self._enter(RunState.WAITING if self._engine.waiting else RunState.RUNNING)
            if not stopping and not self._engine.waiting:
                control.go_on()
            try:
                # Recordings wait until their answers are written, and taken.
                batches = self._engine.take(0.2, hold=not stopping and (writer.is_full or self._feed.is_full))
            except Exception as error:  # an engine that breaks in a way that nobody foresaw still owes a report
                log.debug("taking results", exc_info=error)
                self._pass_on(self._engine.rest(), writer, errors)
                return [*errors, told(error)]
            collector.note_away(self._engine.away())
            self._pass_on(batches, writer, errors)
            writer.watch()
            self._jumps.look()
            watching.look(collector)
            if self._clock.monotonic() - looked_at > USAGE_EVERY_S:
                looked_at = self._clock.monotonic()
                reporter.cpu_s = self._engine.cpu_s()
            interim.go_on()
        return errors

    def _pass_on(self, batches: Sequence[Batch], writer: Writer, errors: list[str]) -> None:
        """Count what has come, and write it, unless a sink cannot go on; add what keeps it from that to `errors`."""
        for batch in batches:
            batch.events = self._joins.join(sighted(batch.published), batch.events)
            self._hand_on(batch)
            try:
                if (batch.published or batch.events) and not errors:
                    live = self._collector.status_monitors
                    writer.write(batch.published, self._clock.utc(), batch.events, live)
            except RunError as error:
                errors.append(str(error))

    def _hand_on(self, batch: Batch) -> None:
        with self._changed:
            self._collector.take(batch)
        self._control.note(batch.published)
        self._questions.note(batch)
        live = self._collector.status_monitors
        for result in batch.published:
            self._feed.put(result, lossy=result.stream in live)
        for event in batch.events:
            self._events.put(event, lossy=True)

    def _enter(self, state: RunState) -> None:
        with self._changed:
            if state is self._state:
                return
            assert state in NEXT[self._state], f"{self._state} is not followed by {state}"
            self._state = state
            self._changed.notify_all()
