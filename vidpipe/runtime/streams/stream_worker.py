"""One stream's way through the device: its source, its own stages, and the completing of its answers in order."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, cast

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Completed
from vidpipe.cascade.reachback import Correction
from vidpipe.core.answer import Answer, How
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError, contained
from vidpipe.core.event import Event
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.logs import treated
from vidpipe.core.settings import Knobs
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import Covered, Ended, Snapshot, published
from vidpipe.runtime.downstream import Downstream, PendingResult
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.shadow.stream import StreamShadows
from vidpipe.runtime.snapshot_timer import SnapshotTimer
from vidpipe.runtime.streams.absence import Absence
from vidpipe.runtime.streams.caution import Caution
from vidpipe.runtime.streams.expiry import Expiry
from vidpipe.runtime.streams.late import LateAnswers
from vidpipe.runtime.streams.measured import MeasuringModels
from vidpipe.runtime.streams.ordering import Item, Ordering
from vidpipe.runtime.streams.parts import Parts
from vidpipe.runtime.streams.stream_ticket import StreamTicket
from vidpipe.sources.base import LiveSource, Source, StreamInfo
from vidpipe.sources.health import Health
from vidpipe.statistics.draw import draw
from vidpipe.transforms.base import Moment

log = logging.getLogger(__name__)

STOP_S = 2.0  # longest that answers are waited for once somebody has asked to stop


class StreamWorker:
    """Runs one stream in a thread.

    Args:
        stream: its name.
        make: opens source and stages; called in the new thread, which is the one that will use them.
        downstream: where frames go that the stream's own stages pass on.
        outbox: where answers go.
        ordering: when answers are published and learnt.
        live: pictures come at their own pace. A source that does not open ends this stream, not the run.
        knobs: the settings of the stream that are in force now; None: as the source gives them.
        pictures: whether answers bring the picture that they are of.
        traces: the share of frames that are traced.
        caution: while it is on, pictures are asked and answered one at a time.
        expires_s: media seconds between a picture and the one that its answer rests on, after which nothing is known;
            None: any.
        shadow: has stages say what they would of a frame under other settings; see `Downstream.shadow`.
        clock: that answers are waited for by.
    """

    def __init__(
        self,
        stream: str,
        make: Callable[[], Parts],
        downstream: Downstream | None,
        outbox: Outbox,
        *,
        ordering: Ordering,
        live: bool = False,
        knobs: Callable[[], Knobs | None] = lambda: None,
        pictures: bool = False,
        traces: float = 0.0,
        caution: Caution | None = None,
        expires_s: float | None = None,
        shadow: Callable[[Frame, Sequence[ShadowAsk], Tell], None] | None = None,
        clock: Clock = REAL,
    ) -> None:
        self.stream = stream
        self.shadows = StreamShadows(stream, outbox, shadow)
        self._knobs = knobs
        self._pictures = pictures
        self._traces = traces
        self._downstream = downstream
        self._outbox = outbox
        self._ordering = ordering
        self._caution = caution
        self._expiry = Expiry(expires_s)
        self._live = live
        self._parts: Parts | None = None
        self._open: deque[Item] = deque()
        self._answered_by: Counter[str] = Counter()
        self._snapshot_timer = SnapshotTimer()
        self._in_force: Knobs | None = None  # of the newest frame that was published
        self._models = MeasuringModels()
        self._late = LateAnswers(stream, outbox, self._models, self._seen)
        self._clock = clock
        self._absence = Absence(clock)
        self._size: tuple[int, int] | None = None  # of the newest picture, in pixels
        self._opened: Future[StreamInfo | SourceError] = Future()
        self._go = threading.Event()
        self._stop = threading.Event()
        self._changed = threading.Condition()  # an answer is there, or a stop was asked for
        self._stop_at = float("inf")
        self._ended = False
        # What it makes is held by the thread alone: of a stream that has ended nothing is left.
        self._thread = threading.Thread(target=self._run, args=(make,), name=f"vidpipe-{stream}", daemon=True)

    def open(self) -> Future[StreamInfo | SourceError]:
        """Start the thread.

        Returns:
            What is known of the stream once it is open, or raises what kept it from opening: of a live source that is
            no reason to stop others, and a result.
        """
        self._thread.start()
        return self._opened

    def start(self) -> None:
        """Begin to read. Apart from `open`, so that all streams of a run begin together and start-up is not timed."""
        self._go.set()

    def stop(self) -> None:
        """Read no further; what was read is still answered, by a fallback where its answer is not there in time."""
        if not self._stop.is_set():
            self._stop_at = self._clock.monotonic() + STOP_S
        self._stop.set()
        self._go.set()
        self._wake()
        if (parts := self._parts) is not None:
            parts.source.close()  # wakes the thread where it waits for a live picture

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, if it was ever opened; whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def health(self) -> Health | None:
        """Of a live source that is open; none once the stream has ended, as another of its name may have begun."""
        parts = self._parts
        return parts.source.health if self._live and parts is not None and not self._ended else None

    def _run(self, make: Callable[[], Parts]) -> None:
        treated.set((self.stream, None))
        ended = self._from_begin_to_end(make)
        self._ended = True
        self._parts = None
        self._open.clear()
        self._late.clear()
        self.shadows.end()
        if ended is not None:
            self._outbox.ended(ended)

    def _from_begin_to_end(self, make: Callable[[], Parts]) -> Ended | None:
        """How the stream ended; None where it did not open, which is told by `open`."""
        try:
            parts = self._parts = make()
        except SourceError as error:
            if self._live:
                self._opened.set_result(error)
                return Ended(self.stream, error)
            self._opened.set_exception(error)
            return None
        except BaseException as error:
            self._opened.set_exception(error if isinstance(error, Exception) else contained(error))
            return None
        self._models.resume(*parts.measured)
        self._opened.set_result(parts.source.info)
        self._go.wait()
        # What was read is answered also where the source broke off.
        errors = [self._guard(lambda: self._enter_all(parts)), self._guard(lambda: self._complete_all(parts))]
        errors += [self._guard(lambda: self._outbox.tell(parts.transforms.ended())), self._close(parts)]
        broken = next(filter(None, errors), None)
        if broken is None and parts.source.broken_off:
            broken = SourceError(parts.source.broken_off)
        return Ended(self.stream, broken, tuple(parts.source.notes), self.health, tuple(parts.frame_sinks.failures))

    def _guard(self, work: Callable[[], None]) -> Exception | None:
        try:
            work()
        except BaseException as error:  # whatever it is, the stream must be told of as ended
            log.debug("stream %s broke off", self.stream, exc_info=error)
            return contained(error)
        return None

    def _enter_all(self, parts: Parts) -> None:
        if self._stop.is_set():
            return
        for item in self._arrivals(parts.source):
            if item is not None:
                self._enter(parts, item)
            self._complete_ready(parts)
            self._late.learn(parts)

    def _enter(self, parts: Parts, item: Frame | Missing) -> None:
        if isinstance(item, Frame) and item.seq in parts.poison:
            item = Missing(item.stream, item.seq, item.pts, How.FAILED, "the process died on this frame each time")
        if self.shadows and isinstance(item, Frame):
            self.shadows.ask(item, partial(parts.without_hidden, item))
        if isinstance(item, Frame) and self._caution is not None and self._caution.is_on:
            self._complete_open(parts)
            with self._caution.alone(self.stream, item.seq):
                self._open.append(self._ask(parts, item))
                self._complete_open(parts)
        else:
            while isinstance(item, Frame) and self._open and not self._ordering.has_room(self._open, item):
                self._complete(parts, self._open.popleft())
            self._open.append(self._ask(parts, item))

    def _arrivals(self, source: Source) -> Iterator[Frame | Missing | None]:
        """The stream's pictures; live also None, where something else may be ready."""
        if self._live:
            yield from cast("LiveSource", source).arrivals(lambda: self._ordering.due_at(self._open))
            return
        for item in source:
            yield item
            if self._stop.is_set():
                return

    def _complete_ready(self, parts: Parts) -> None:
        while self._open and self._ordering.is_due(self._open):
            self._complete(parts, self._open.popleft())

    def _complete_open(self, parts: Parts) -> None:
        while self._open:
            self._complete(parts, self._open.popleft())

    def _complete_all(self, parts: Parts) -> None:
        self._complete_open(parts)
        while (ticket := self._late.oldest) is not None and not self._stop.is_set():
            self._await(ticket.pending, local=False)
            self._late.learn(parts)

    def _close(self, parts: Parts) -> Exception | None:
        closing = [parts.media.close] if parts.media is not None else []
        closing += [parts.frame_sinks.close, parts.transforms.close, parts.cascade.close, parts.source.close]
        errors = [self._guard(close) for close in closing]
        return next(filter(None, errors), None)

    def _ask(self, parts: Parts, item: Frame | Missing) -> Item:
        if isinstance(item, Missing):
            return item
        item.knobs = self._knobs() or item.knobs
        ticket = StreamTicket(item)
        if self._traces and draw("traces", item.stream, item.seq) < self._traces:
            ticket.begin_trace()
        parts.cascade.ask([ticket])
        if ticket.answer is None and self._downstream is not None:
            ticket.asked_at = self._clock.monotonic()
            ticket.pending = self._downstream.ask(ticket, complete=not self._ordering.two_phase)
            if self._live:
                nudge = cast("LiveSource", parts.source).nudge
                ticket.pending.local.add_done_callback(lambda _: nudge())
                ticket.pending.completed.add_done_callback(lambda _: nudge())
        return ticket

    def _complete(self, parts: Parts, item: Item) -> None:
        """Publish what there is to be said of a picture."""
        treated.set((self.stream, item.seq if isinstance(item, Missing) else item.frame.seq))
        if isinstance(item, Missing):
            self._publish(parts, item, parts.cascade.complete_missing(item))
            return
        local_until = self._ordering.local_until(item)
        if local_until is not None and not self._is_answered_locally(item, local_until):
            answer = self._publish_fallback(parts, item)
        elif (downstream := self._answer_downstream(parts, item)) is None and item.pending is not None:
            answer = self._publish_fallback(parts, item)  # stopped while the answer was waited for
        else:
            answer = self._publish(parts, item.frame, parts.cascade.complete(item, downstream))
        if item.span is not None:
            item.span.end(stream=self.stream, seq=item.frame.seq, how=answer.how.value, by=answer.by)

    def _is_answered_locally(self, ticket: StreamTicket, until: float) -> bool:
        """Whether a picture's answer came without a slower tier, in time."""
        if ticket.pending is None:
            return True
        careful = self._caution is not None and self._caution.is_on
        if careful or not ticket.checks:
            self._await(ticket.pending, local=True, until=float("inf") if careful else until)
        local = ticket.local()
        return local is not None and not local.far and not ticket.is_refused()

    def _await(self, pending: PendingResult | None, *, local: bool, until: float = float("inf")) -> None:
        """Wait for an answer, or for what its own tier says of it; not beyond a time, nor long after a stop."""
        assert pending is not None
        self._await_future(pending.local if local else pending.completed, until)

    def _await_back(self, coming: Future[Any], until: float) -> bool:
        """Wait for a frame that is asked again, where all answers are waited for; whether it is worth looking."""
        if self._ordering.waits:
            self._await_future(coming, until)
        return self._ordering.waits and not self._stop.is_set()

    def _await_future(self, coming: Future[Any], until: float) -> None:
        coming.add_done_callback(self._wake)
        with self._changed:
            self._clock.wait_for(self._changed, lambda: coming.done() or self._stop.is_set(), until)
            self._clock.wait_for(self._changed, coming.done, min(until, self._stop_at))

    def _wake(self, _: object = None) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer_downstream(self, parts: Parts, ticket: StreamTicket) -> Completed | None:
        if ticket.pending is None:
            return None
        if self._ordering.two_phase and self._downstream is not None:
            self._downstream.complete(ticket.frame.stream, ticket.frame.seq)
        self._await(ticket.pending, local=False)
        return self._seen(parts, ticket) if ticket.is_answered() else None

    def _seen(self, parts: Parts, ticket: StreamTicket) -> Completed:
        """The answer without boxes in hidden parts of the picture; states that came with it are kept."""
        assert ticket.pending is not None
        completed = ticket.pending.completed.result()
        parts.states.update(completed.states or {})
        self._absence.note(completed)
        return completed._replace(answer=parts.without_hidden(ticket.frame, completed.answer))

    def _publish_fallback(self, parts: Parts, ticket: StreamTicket) -> Answer:
        local = ticket.local()
        if (completed := ticket.completed) is not None:
            self._absence.note(completed)
        reason = ticket.why_covered(stopped=self._stop.is_set(), crowded=self._late.crowded)
        away = self._absence.away if reason is Covered.LATE and not ticket.checks else None
        downstream = local.fallback if local is not None else None
        if downstream is not None:
            downstream = parts.without_hidden(ticket.frame, downstream)
        fallback = parts.cascade.fallback(ticket, reason, downstream=downstream, looked_at=not ticket.is_refused())
        if away is not None:
            reason, fallback = Covered.AWAY, replace(fallback, reason=str(away))
        parts.cascade.published(self.stream, fallback)
        self._publish(parts, ticket.frame, Completed(fallback, away=away), covered=reason)
        self._late.put(ticket, fallback)
        self._late.learn(parts)
        return fallback

    def _publish(
        self, parts: Parts, item: Frame | Missing, completed: Completed, covered: Covered | None = None
    ) -> Answer:
        """Give it to whoever takes answers; as transforms left it."""
        if isinstance(item, Frame):
            # A picture that never became a frame has the settings of the one before it.
            self._in_force, self._size = item.knobs, (item.width, item.height)
            self._models.note(item.seq, completed.answer, item.knobs)
        in_force = self._in_force or self._knobs() or Knobs()
        completed = completed._replace(answer=self._expiry.minded(item, completed.answer))
        look = parts.cascade.look(item.seq, completed.answer)
        audits = (*self._late.take_audits(), *filter(None, [parts.audited(item, completed)]))
        corrections = parts.reach_back(item, completed, self._await_back, by_filter=covered is None and look is None)
        model = self._models.of(completed.answer.as_of)
        completed, events = self._transformed(parts, item, completed, (audits, corrections), in_force, model)
        if parts.media is not None:
            events = parts.media.see(item, completed.answer, events)
        self._answered_by[completed.answer.by] += 1
        parts.frame_sinks.write(item, completed.answer, self._answered_by)
        place = in_force.version, self._size, look, audits, model, corrections
        record = published(item, completed, covered, *place, pictures=self._pictures)
        self._outbox.publish(record, events, live=self._live)
        self._mind_snapshot(parts, item)
        return completed.answer

    def _transformed(
        self,
        parts: Parts,
        item: Frame | Missing,
        completed: Completed,
        known: tuple[tuple[Audit, ...], tuple[Correction, ...]],
        knobs: Knobs,
        model: str | None,
    ) -> tuple[Completed, Sequence[Event]]:
        """The answer as transforms leave it, and what they saw happen; `known`: of earlier answers since the last."""
        if not parts.transforms:
            return completed, ()
        size = self._size or (0, 0)
        place = item.stream, item.seq, item.pts, item.captured_at, *size, knobs.version
        audits, corrections = known
        moment = Moment(*place, audits, model, str(completed.away or ""), corrections)
        frame = item if isinstance(item, Frame) else None
        answer, events = parts.transforms.complete(frame, completed.answer, moment, knobs)
        return completed._replace(answer=answer), events

    def _mind_snapshot(self, parts: Parts, item: Frame | Missing) -> None:
        if self._snapshot_timer.is_due(item.pts):
            states = parts.states | parts.cascade.snapshot(self.stream) | parts.transforms.snapshot()
            if states or parts.transforms:
                self._outbox.snapshot(Snapshot(self.stream, states, item.seq))
