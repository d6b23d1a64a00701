"""Answers on their way to the sinks, in a thread of its own: a sink that blocks holds up nothing but itself."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import methodcaller
from typing import Any, NamedTuple

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.event import LASTING, Event, Phase
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import ControlledRun, Sink
from vidpipe.transforms.learnt.audited import Audited

log = logging.getLogger(__name__)

LIMIT = 20_000  # answers that wait
FLUSH_EVERY_S = 5.0
BLOCKED_S = 5.0  # for one write, after which a sink is said to block


class _Parcel(NamedTuple):
    """What waits together."""

    results: Sequence[Result] = ()
    published_at: float = 0.0
    events: Sequence[Event] = ()
    report: Mapping[str, Any] | None = None


class Writer:
    """Hands results and events on to sinks, each in turn.

    What is put is written later, in order. Once `LIMIT` results wait, more of live streams are left out and counted,
    and who reads recordings looks at `is_full` before; events are left out only once as many of them wait. A sink that
    raises gets no more, and is closed with the others. The next `write` raises the same, unless what comes is of live
    streams and other sinks take it: cameras go on then, and `close` raises it.

    Args:
        held: what is put waits until `release`, and sinks open nothing before.

    Attributes:
        durable: by sink, of each stream the `seq` of the last result that it has made durable, as it says itself.
        held: whether it still is.
    """

    def __init__(self, sinks: Sequence[Sink], clock: Clock = REAL, *, held: bool = False) -> None:
        self.held = held
        self._begun: tuple[Mapping[str, Any], ControlledRun | None] = {}, None
        self._sinks = sinks
        self._clock = clock
        self._waiting: deque[_Parcel] = deque()
        self.durable: dict[str, dict[str, int]] = {}
        self._records = 0
        self._events = 0
        self._unwritten = 0  # results that were left out
        self._until: dict[str, float] = {}  # of streams that are still behind the run whose place was taken
        self._untold = 0  # the same of events
        self._changed = threading.Condition()
        self._closing = False
        self._error: RunError | None = None
        self._broken: set[int] = set()  # sinks that have raised, by place: they get no more
        self._at: tuple[Sink, float] | None = None  # the sink that is being written to, and since when
        self._told = False
        self._thread = threading.Thread(target=self._run, name="vidpipe-writer", daemon=True)
        self._thread.start()

    def begin(self, provenance: Mapping[str, Any], run: ControlledRun | None = None) -> None:
        """Have each open what it writes to, in the calling thread. Raises VidpipeError.

        Args:
            run: whose results they are; None: nothing runs that could be changed.
        """
        self._begun = provenance, run
        if not self.held:
            self._begin(provenance, run)

    @property
    def start(self) -> str:
        """When the run began, as the first line of its results has it."""
        return str(self._begun[0].get("start", ""))

    def release(self, follows: str, until: Mapping[str, float]) -> None:
        """Hand on what was held, and what comes; raises VidpipeError where a sink does not open.

        Args:
            follows: `start` of the run whose place this one takes.
            until: UTC seconds of the last picture of each stream that it has answered: what came before is not told
                again.
        """
        provenance, run = self._begun
        self._begin({**provenance, "follows": follows}, run)
        with self._changed:
            self._waiting = deque(_behind(self._waiting, until))
            begun = {result.stream for parcel in self._waiting for result in parcel.results}
            self._until = {stream: at for stream, at in until.items() if stream not in begun}
            self._records = sum(len(parcel.results) for parcel in self._waiting)
            self._events = sum(len(parcel.events) for parcel in self._waiting)
            self.held = False
            self._changed.notify_all()

    def _begin(self, provenance: Mapping[str, Any], run: ControlledRun | None) -> None:
        for sink in self._sinks:
            try:
                if run is not None:
                    sink.attach(run)
                sink.begin(provenance)
            except VidpipeError:
                raise
            except Exception as error:  # a user's sink may raise anything
                raise ConfigError(str(_as_run_error(sink, error))) from error

    def write(
        self,
        records: Sequence[Result],
        published_at: float,
        events: Sequence[Event] = (),
        live: Container[str] | None = None,
    ) -> None:
        """Put results and events.

        Args:
            live: streams whose results may be left out; None: any.
        """
        with self._changed:
            if self._error is not None and not (live and len(self._broken) < len(self._sinks)):
                raise self._error
            if self._until:
                records, events = self._of_later(records, events)
            while self.held and self._waiting and self._records >= LIMIT:
                # It runs beside the one whose place it takes, which tells of the oldest itself.
                oldest = self._waiting.popleft()
                self._records -= len(oldest.results)
                self._events -= len(oldest.events)
            if self._records >= LIMIT:
                # What came of recordings while they were asked to wait is little, and must not be lost.
                kept = [record for record in records if live is not None and record.stream not in live]
                self._unwritten += len(records) - len(kept)
                records = kept
            if self._events >= LIMIT:
                self._untold += len(events)
                events = ()
            self._waiting.append(_Parcel(records, published_at, events))
            self._records += len(records)
            self._events += len(events)
            self._changed.notify_all()

    def _of_later(self, records: Sequence[Result], events: Sequence[Event]) -> tuple[Sequence[Result], Sequence[Event]]:
        """Those of pictures that the run before has not answered: this one may be a few behind when it takes over."""
        later: list[Result] = []
        for record in records:
            at = self._until.get(record.stream, -math.inf)
            if record.captured_at is None or record.captured_at > at:
                self._until.pop(record.stream, None)
                later.append(record)
        return later, [event for event in events if event.stream not in self._until or event.kind in LASTING]

    @property
    def takes_reports(self) -> bool:
        """Whether any sink does: else none need be made for them."""
        return any(type(sink).report is not Sink.report for sink in self._sinks)

    def report(self, report: Mapping[str, Any]) -> None:
        """Hand a report on, behind what waits."""
        with self._changed:
            self._waiting.append(_Parcel(report=report))
            self._changed.notify_all()

    def troubles(self) -> list[str]:
        """What keeps sinks from their work now, though the run goes on."""
        told = []
        for sink in self._sinks:
            with suppress(Exception):  # a user's sink may raise anything
                told.append(sink.trouble)
        return [trouble for trouble in told if trouble]

    def counts(self) -> dict[str, dict[str, int]]:
        """What sinks count, by their names; those that count nothing are left out."""
        counted: dict[str, dict[str, int]] = {}
        for sink in self._sinks:
            try:
                counts = dict(sink.counts)
            except Exception as error:  # a user's sink may raise anything
                log.debug("a sink raised", exc_info=error)
                continue
            if counts:
                name, number = str(sink), 2
                while name in counted:
                    name, number = f"{sink} ({number})", number + 1
                counted[name] = counts
        return counted

    def audited(self) -> dict[tuple[str, str], Audited]:
        """What people have answered about events that were taught, as of `Sink.audited`."""
        told: dict[tuple[str, str], Audited] = {}
        for sink in self._sinks:
            with suppress(Exception):  # a user's sink may raise anything
                told.update(sink.audited)
        return told

    @property
    def is_full(self) -> bool:
        """Whether answers that were put now would be left out."""
        with self._changed:
            return self._records >= LIMIT

    def watch(self) -> None:
        """Tell, once, of a sink that blocks; to be called now and then."""
        if self._told or self._at is None or self._clock.monotonic() - self._at[1] < BLOCKED_S:
            return
        self._told = True
        log.warning("%s has taken nothing for %.0f s; answers wait for it, %d at most", self._at[0], BLOCKED_S, LIMIT)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits and close the sinks; give up where a sink takes nothing for `timeout_s`.

        Raises:
            RunError: not everything was written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        left = -1
        while self._thread.is_alive() and self._records != left:
            left = self._records
            self._thread.join(timeout_s)
        with self._changed:
            unwritten, untold, error = self._unwritten + self._records, self._untold + self._events, self._error
        missing = f"{unwritten} answers{f' and {untold} events' if untold else ''} were not written"
        if self._thread.is_alive() and self._at is not None:
            raise RunError(f"{self._at[0]} takes nothing: {missing}")
        if error is not None:
            raise error
        if unwritten or untold:
            raise RunError(f"{missing}: {', '.join(map(str, self._sinks))} was too slow")

    def _run(self) -> None:
        flushed_at = self._clock.monotonic()
        dirty = False  # something was written since: it is flushed in time, also if nothing more comes
        while True:
            with self._changed:
                until = flushed_at + FLUSH_EVERY_S if dirty else math.inf
                self._clock.wait_for(self._changed, lambda: (self._waiting and not self.held) or self._closing, until)
                if self.held:  # it ends without having taken anybody's place
                    self._waiting.clear()
                    self._records = self._events = 0
                if self._closing and not self._waiting:
                    break
                parcel = self._waiting.popleft() if self._waiting else _Parcel()
            self._hand_on(parcel)
            dirty = True
            if self._clock.monotonic() - flushed_at >= FLUSH_EVERY_S:
                flushed_at = self._clock.monotonic()
                self._each(self._flush, self._broken)
                dirty = False
            with self._changed:
                self._records -= len(parcel.results)
                self._events -= len(parcel.events)
                self._changed.notify_all()
        self._each(self._flush, self._broken)
        self._each(methodcaller("close"))

    def _hand_on(self, parcel: _Parcel) -> None:
        if parcel.results:
            self._each(methodcaller("write", parcel.results, parcel.published_at), self._broken)
        if parcel.events:
            self._each(methodcaller("tell", parcel.events), self._broken)
        if parcel.report is not None:
            self._each(methodcaller("report", parcel.report), self._broken)

    def _flush(self, sink: Sink) -> None:
        if durable := sink.flush():
            self.durable.setdefault(str(sink), {}).update(durable)

    def _each(self, call: Callable[[Sink], None], left_out: Collection[int] = ()) -> None:
        for index, sink in enumerate(self._sinks):
            if index in left_out:
                continue
            self._at = sink, self._clock.monotonic()
            try:
                call(sink)
            except BaseException as error:  # a user's sink may raise anything, and must not take this thread with it
                told = _as_run_error(sink, error)
                if index not in self._broken and len(self._sinks) > 1 and not self._closing:
                    log.warning("%s; it gets no more", told)
                self._broken.add(index)
                self._error = self._error or told
        self._at = None


def _as_run_error(sink: Sink, error: BaseException) -> RunError:
    if isinstance(error, VidpipeError):
        return RunError(str(error))
    log.debug("a sink raised", exc_info=error)
    return RunError(f"{sink}: {type(error).__name__}: {error}".splitlines()[0])


def _behind(parcels: Iterable[_Parcel], until: Mapping[str, float]) -> Iterator[_Parcel]:
    """What is of pictures behind these moments, by stream, with what began before and still lasts."""
    parcels = list(parcels)
    first: dict[str, int] = {}  # of each stream that is told
    for result in (result for parcel in parcels for result in parcel.results):
        if result.captured_at is None or result.captured_at > until.get(result.stream, -math.inf):
            first.setdefault(result.stream, result.seq)
    over = {
        (event.stream, event.id)
        for parcel in parcels
        for event in parcel.events
        if event.phase is Phase.END and event.seq < first.get(event.stream, math.inf)
    }
    for parcel in parcels:
        results = [result for result in parcel.results if result.seq >= first.get(result.stream, math.inf)]
        events = [
            event
            for event in parcel.events
            if event.seq >= first.get(event.stream, math.inf)
            or (event.kind in LASTING and (event.stream, event.id) not in over)
        ]
        yield parcel._replace(results=results, events=events)
