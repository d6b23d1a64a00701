"""One stream's way through the device: its source, its own stages, and the settling of its answers in order."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

from vidpipe.cascade.cascade import Settled, Ticket
from vidpipe.core.answer import How
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError, contained
from vidpipe.core.event import Event
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.results.records import Covered, Ended, LateAnswer, Outbox, Snapshot, published
from vidpipe.runtime.caution import Caution
from vidpipe.runtime.downstream import Downstream, LocalStatus, PendingResult
from vidpipe.runtime.opened import Open
from vidpipe.runtime.parts import Parts
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.shadow.stream import StreamShadows
from vidpipe.runtime.snapshot_timer import SnapshotTimer
from vidpipe.sources.base import LiveSource, Source, StreamInfo
from vidpipe.sources.health import Health
from vidpipe.transforms.base import Moment

log = logging.getLogger(__name__)

PATIENCE_S = 0.4  # longest that a stream on a detour waits for an answer of its own tier
STOP_S = 2.0  # longest that answers are waited for once somebody has asked to stop


class StreamWorker:
    """Runs one stream in a thread.

    Args:
        stream: its name.
        make: opens source and stages; called in the new thread, which is the one that will use them.
        downstream: where frames go that the stream's own stages pass on.
        outbox: where answers go.
        ahead: how many frames may be asked while one is open.
        two_phase: stages below learn, and must be told when to (see `Downstream`).
        hold_bytes: of pictures asked and not settled: beyond it the oldest is settled first, though fewer are open.
        unordered: no stage learns, so that an answer may be settled as soon as it is there.
        detour: publish the best fallback of a frame that a slower tier has; its own tier is waited for `PATIENCE_S`.
        live: pictures come at their own pace. A source that does not open ends this stream, not the run.
        knobs: the settings of the stream that are in force now; None: as the source gives them.
        pictures: whether answers bring the picture that they are of.
        caution: while it is on, pictures are asked and answered one at a time.
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
        ahead: int,
        two_phase: bool,
        hold_bytes: float = float("inf"),
        unordered: bool = False,
        detour: bool = False,
        live: bool = False,
        knobs: Callable[[], Knobs | None] = lambda: None,
        pictures: bool = False,
        caution: Caution | None = None,
        shadow: Callable[[Frame, Sequence[ShadowAsk], Tell], None] | None = None,
        clock: Clock = REAL,
    ) -> None:
        self.stream = stream
        self.shadows = StreamShadows(stream, outbox, shadow)
        self._knobs = knobs
        self._pictures = pictures
        self._downstream = downstream
        self._outbox = outbox
        self._ahead = ahead
        # On a detour answers are learnt as they come: nobody could say how far ahead the stream was asked.
        self._two_phase = two_phase and not detour
        self._hold_bytes = hold_bytes
        self._caution = caution
        self._unordered = unordered
        self._detour = detour
        self._live = live
        self._parts: Parts | None = None
        self._open: deque[Open] = deque()
        self._late: list[Open] = []
        self._crowded = False  # the last answer to a frame that was not waited for: nobody had looked at it
        self._answered_by: Counter[str] = Counter()
        self._snapshot_timer = SnapshotTimer()
        self._in_force = Knobs()  # of the newest frame that was published
        self._clock = clock
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
        self._opened.set_result(parts.source.info)
        self._go.wait()
        # What was read is answered also where the source broke off.
        errors = [self._guard(lambda: self._enter_all(parts)), self._guard(lambda: self._settle_all(parts))]
        errors.append(self._close(parts))
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
            self._settle_ready(parts)
            self._learn_late(parts)

    def _enter(self, parts: Parts, item: Frame | Missing) -> None:
        if isinstance(item, Frame) and item.seq in parts.poison:
            item = Missing(item.stream, item.seq, item.pts, How.FAILED, "the process died on this frame each time")
        if self.shadows and isinstance(item, Frame):
            self.shadows.ask(item, partial(parts.without_hidden, item))
        if isinstance(item, Frame) and self._caution is not None and self._caution.is_on:
            self._settle_open(parts)
            with self._caution.alone(self.stream, item.seq):
                self._open.append(self._ask(parts, item))
                self._settle_open(parts)
        else:
            self._make_room(parts, item)
            self._open.append(self._ask(parts, item))

    def _make_room(self, parts: Parts, item: Frame | Missing) -> None:
        """Settle the oldest pictures where links would have to hold too much for this stream with the next one.

        By what is open of this stream alone, so that it does not depend on how fast anybody is.
        """
        if not self._two_phase or not isinstance(item, Frame):
            return
        nbytes = item.picture.nbytes
        while (held := sum(entry.held_bytes for entry in self._open)) and held + nbytes > self._hold_bytes:
            self._settle(parts, self._open.popleft())

    def _arrivals(self, source: Source) -> Iterator[Frame | Missing | None]:
        """The stream's pictures; live also None, where something else may be ready."""
        if self._live:
            yield from cast("LiveSource", source).arrivals(self._until)
            return
        for item in source:
            yield item
            if self._stop.is_set():
                return

    def _until(self) -> float:
        """When there is something to do though no picture and no answer comes."""
        return self._open[0].asked_at + PATIENCE_S if self._open and self._detour else math.inf

    def _settle_ready(self, parts: Parts) -> None:
        while self._open and self._is_due(self._open[0]):
            self._settle(parts, self._open.popleft())

    def _is_due(self, entry: Open) -> bool:
        """Whether the oldest open picture is to be settled now; it may have to be waited for."""
        if not self._detour:
            return len(self._open) > self._ahead or (self._unordered and entry.is_answered())
        return not self._live or self._is_ready(entry)

    def _is_ready(self, entry: Open) -> bool:
        """Whether something can be published of a picture on a detour."""
        if entry.pending is None or entry.pending.local.done() or (entry.ticket is not None and entry.ticket.checks):
            return True
        return self._clock.monotonic() >= min(entry.asked_at + PATIENCE_S, self._stop_at)

    def _settle_open(self, parts: Parts) -> None:
        while self._open:
            self._settle(parts, self._open.popleft())

    def _settle_all(self, parts: Parts) -> None:
        self._settle_open(parts)
        while self._late and not self._stop.is_set():
            self._await(self._late[0].pending, local=False)
            self._learn_late(parts)

    def _close(self, parts: Parts) -> Exception | None:
        closing = [parts.frame_sinks.close, parts.transforms.close, parts.cascade.close, parts.source.close]
        errors = [self._guard(close) for close in closing]
        return next(filter(None, errors), None)

    def _ask(self, parts: Parts, item: Frame | Missing) -> Open:
        if isinstance(item, Missing):
            return Open(item)
        item.knobs = self._knobs() or item.knobs
        ticket = Ticket(item)
        parts.cascade.ask([ticket])
        if ticket.answer is not None or self._downstream is None:
            return Open(item, ticket)
        asked_at, pending = self._clock.monotonic(), self._downstream.ask(ticket, settle=not self._two_phase)
        if self._live:
            nudge = cast("LiveSource", parts.source).nudge
            pending.local.add_done_callback(lambda _: nudge())
            pending.settled.add_done_callback(lambda _: nudge())
        return Open(item, ticket, pending, asked_at)

    def _settle(self, parts: Parts, entry: Open) -> None:
        """Publish what there is to be said of a picture."""
        if entry.ticket is None:
            assert isinstance(entry.item, Missing)
            self._publish(parts, entry.item, parts.cascade.settle_missing(entry.item))
        elif self._detour and not self._is_answered_locally(entry):
            self._publish_fallback(parts, entry, entry.ticket)
        elif (downstream := self._answer_downstream(parts, entry)) is None and entry.pending is not None:
            self._publish_fallback(parts, entry, entry.ticket)  # stopped while the answer was waited for
        else:
            self._publish(parts, entry.item, parts.cascade.settle(entry.ticket, downstream))

    def _is_answered_locally(self, entry: Open) -> bool:
        """Whether a picture's answer came without a slower tier, in time."""
        if entry.pending is None:
            return True
        assert entry.ticket is not None
        careful = self._caution is not None and self._caution.is_on
        if careful or not entry.ticket.checks:
            self._await(entry.pending, local=True, until=float("inf") if careful else entry.asked_at + PATIENCE_S)
        local = entry.local()
        return local is not None and not local.far and not entry.is_refused()

    def _await(self, pending: PendingResult | None, *, local: bool, until: float = float("inf")) -> None:
        """Wait for an answer, or for what its own tier says of it; not beyond a time, nor long after a stop."""
        assert pending is not None
        coming: Future[Any] = pending.local if local else pending.settled
        coming.add_done_callback(self._wake)
        with self._changed:
            self._clock.wait_for(self._changed, lambda: coming.done() or self._stop.is_set(), until)
            self._clock.wait_for(self._changed, coming.done, min(until, self._stop_at))

    def _wake(self, _: object = None) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer_downstream(self, parts: Parts, entry: Open) -> Settled | None:
        if entry.pending is None:
            return None
        if self._two_phase:
            assert self._downstream is not None
            self._downstream.settle(entry.item.stream, entry.item.seq)
        self._await(entry.pending, local=False)
        return self._seen(parts, entry) if entry.is_answered() else None

    def _seen(self, parts: Parts, entry: Open) -> Settled:
        """The answer without boxes in hidden parts of the picture; states that came with it are kept."""
        assert entry.pending is not None
        settled = entry.pending.settled.result()
        parts.states.update(settled.states or {})
        return Settled(parts.without_hidden(entry.item, settled.answer), settled.audit)

    def _publish_fallback(self, parts: Parts, entry: Open, ticket: Ticket) -> None:
        local = entry.local()
        reason = self._why_covered(entry, local)
        downstream = local.fallback if local is not None else None
        if downstream is not None:
            downstream = parts.without_hidden(entry.item, downstream)
        fallback = parts.cascade.fallback(ticket, reason, downstream=downstream, looked_at=not entry.is_refused())
        parts.cascade.published(self.stream, fallback)
        self._publish(parts, entry.item, Settled(fallback), covered=reason)
        entry.fallback = fallback.by
        self._late.append(entry)
        self._learn_late(parts)

    def _why_covered(self, entry: Open, local: LocalStatus | None) -> Covered:
        if entry.ticket is not None and entry.ticket.checks:
            return Covered.LATE  # the answer stands, whether somebody has time to check it or not
        if local is None:
            return Covered.STOPPED if self._stop.is_set() else Covered.OVERLOADED
        return Covered.OVERLOADED if self._crowded or entry.is_refused() else Covered.LATE

    def _learn_late(self, parts: Parts) -> None:
        """Learn from the answers that have come to pictures for which something was published before."""
        if not self._late:
            return
        late, self._late = self._late, []
        for entry in late:
            if not entry.is_answered():
                self._late.append(entry)
                continue
            assert entry.ticket is not None
            seen = self._seen(parts, entry)
            audit = parts.cascade.settle(entry.ticket, seen, late=True).audit
            if audit is not None:
                self._outbox.audit(self.stream, audit)
            self._crowded = entry.is_refused()
            if self._crowded:
                self._outbox.refused(self.stream)
            elif not seen.answer.how.carried:
                self._outbox.late(LateAnswer(self.stream, seen.answer.by, entry.fallback))

    def _publish(self, parts: Parts, item: Frame | Missing, settled: Settled, covered: Covered | None = None) -> None:
        if isinstance(item, Frame):
            # A picture that never became a frame has the settings of the one before it.
            self._in_force, self._size = item.knobs, (item.width, item.height)
        settled, events = self._completed(parts, item, settled)
        self._answered_by[settled.answer.by] += 1
        parts.frame_sinks.write(item, settled.answer, self._answered_by)
        record = published(item, settled, covered, self._in_force.version, self._size, pictures=self._pictures)
        self._outbox.publish(record, events, live=self._live)
        self._mind_snapshot(parts, item)

    def _completed(self, parts: Parts, item: Frame | Missing, settled: Settled) -> tuple[Settled, Sequence[Event]]:
        """The answer as transforms complete it, and what they saw happen."""
        if not parts.transforms:
            return settled, ()
        size = self._size or (0, 0)
        moment = Moment(item.stream, item.seq, item.pts, item.captured_at, *size, self._in_force.version)
        frame = item if isinstance(item, Frame) else None
        answer, events = parts.transforms.complete(frame, settled.answer, moment, self._in_force)
        return settled._replace(answer=answer), events

    def _mind_snapshot(self, parts: Parts, item: Frame | Missing) -> None:
        if self._snapshot_timer.is_due(item.pts):
            states = parts.states | parts.cascade.snapshot(self.stream) | parts.transforms.snapshot()
            if states:
                self._outbox.snapshot(Snapshot(self.stream, states))
