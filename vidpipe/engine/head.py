"""One stream's way through the device: its source, its own stages, and the settling of its answers in order."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vidpipe.answer import Answer, How
from vidpipe.cascade import Cascade, Settled, Ticket
from vidpipe.engine.below import Below
from vidpipe.engine.pace import Pace
from vidpipe.engine.records import Ended, Outbox, Published, Snapshot
from vidpipe.engine.taps import TapWriter
from vidpipe.frame import Frame, Missing
from vidpipe.sources.base import Source

log = logging.getLogger(__name__)

MOST_LATE = 64  # frames of a live stream whose late answers are still awaited


@dataclass(slots=True)
class Parts:
    """What a stream's thread works with, once it is open.

    Attributes:
        hide: leaves out what lies in the masked parts of a picture; None for a stream without.
        poison: numbers of pictures that killed the process more than once; they are not tried again.
        careful: hand over each answer before the next frame is asked.
        states: what stages below keep of the stream, by stage id, as far as it has come by.
    """

    source: Source
    cascade: Cascade
    writers: Sequence[TapWriter] = ()
    hide: Callable[[Answer, Frame], Answer] | None = None
    poison: frozenset[int] = frozenset()
    careful: bool = False
    states: dict[str, Any] = field(default_factory=dict)


class _Open:
    """A picture whose answer is not settled yet."""

    __slots__ = ("item", "reply", "ticket")

    def __init__(self, item: Frame | Missing, ticket: Ticket | None, reply: Future[Settled] | None) -> None:
        self.item = item
        self.ticket = ticket
        self.reply = reply

    def is_answered(self) -> bool:
        return self.reply is None or self.reply.done()


class Head:
    """Runs one stream in a thread.

    Args:
        stream: its name.
        make: opens source and stages; called in the new thread, which is the one that will use them.
        below: where frames go that the stream's own stages pass on.
        outbox: where answers go.
        ahead: how many frames may be asked while one is open.
        settle_later: stages below learn, and must be told when to (see `Below`).
        free: no stage learns, so that an answer may be settled as soon as it is there.
        detour: publish the best cover of a frame that is open below, rather than wait for its answer.
    """

    def __init__(
        self,
        stream: str,
        make: Callable[[], Parts],
        below: Below | None,
        outbox: Outbox,
        *,
        ahead: int,
        settle_later: bool,
        free: bool = False,
        detour: bool = False,
    ) -> None:
        self.stream = stream
        self._make = make
        self._below = below
        self._outbox = outbox
        self._ahead = ahead
        # A live stream's answers are learnt as they come: nobody could say how far ahead it was asked.
        self._settle_later = settle_later and not detour
        self._free = free
        self._detour = detour
        self._open: deque[_Open] = deque()
        self._late: deque[_Open] = deque()
        self._answered_by: Counter[str] = Counter()
        self._pace = Pace()
        self._opened: Future[Parts] = Future()
        self._go = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"vidpipe-{stream}", daemon=True)

    def open(self) -> Future[Parts]:
        """Start the thread; the future is its parts once they are open, or what kept them from opening."""
        self._thread.start()
        return self._opened

    def start(self) -> None:
        """Begin to read. Apart from `open`, so that all streams of a run begin together and start-up is not timed."""
        self._go.set()

    def stop(self) -> None:
        """Read no further; what was read is still answered."""
        self._stop.set()
        self._go.set()
        if self._opened.done() and self._opened.exception() is None:
            self._opened.result().source.close()  # wakes the thread where it waits for a live picture

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, if it was ever opened; whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._parts = self._make()
        except Exception as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(self._parts)
        self._go.wait()
        broken = self._guard(self._enter_all)
        # What was read is answered also where the source broke off.
        broken = broken or self._guard(self._settle_all)
        broken = broken or self._close()
        self._outbox.ended(Ended(self.stream, broken, tuple(self._parts.source.notes)))

    def _guard(self, work: Callable[[], None]) -> Exception | None:
        try:
            work()
        except Exception as error:
            log.debug("stream %s broke off", self.stream, exc_info=error)
            return error
        return None

    def _enter_all(self) -> None:
        if self._stop.is_set():
            return
        for item in self._parts.source:
            self._enter(item)
            if self._stop.is_set():
                break

    def _settle_all(self) -> None:
        while self._open:
            self._settle(self._open.popleft())
        self._learn_late(wait=True)

    def _close(self) -> Exception | None:
        parts = self._parts
        closing = [*(writer.close for writer in parts.writers), parts.cascade.close, parts.source.close]
        errors = [self._guard(close) for close in closing]
        return next(filter(None, errors), None)

    def _enter(self, item: Frame | Missing) -> None:
        self._learn_late(wait=False)
        self._open.append(self._ask(item))
        while len(self._open) > self._ahead or (self._free and self._open and self._open[0].is_answered()):
            self._settle(self._open.popleft())

    def _ask(self, item: Frame | Missing) -> _Open:
        if isinstance(item, Frame) and item.seq in self._parts.poison:
            item = Missing(item.stream, item.seq, item.pts, How.FAILED, "the process died on this frame each time")
        if isinstance(item, Missing):
            return _Open(item, None, None)
        ticket = Ticket(item)
        self._parts.cascade.ask([ticket])
        if ticket.answer is not None or self._below is None:
            return _Open(item, ticket, None)
        if self._detour and (len(self._late) >= MOST_LATE or not self._below.has_room()):
            return _Open(item, ticket, None)
        return _Open(item, ticket, self._below.ask(ticket, settle=not self._settle_later))

    def _settle(self, entry: _Open) -> None:
        if entry.ticket is None:
            assert isinstance(entry.item, Missing)
            self._publish(entry.item, self._parts.cascade.settle_missing(entry.item))
            return
        if self._detour and entry.ticket.answer is None:
            self._detour_around(entry, entry.ticket)
            return
        self._publish(entry.item, self._parts.cascade.settle(entry.ticket, self._answer_below(entry)))

    def _answer_below(self, entry: _Open) -> Settled | None:
        if entry.reply is None:
            return None
        if self._settle_later:
            assert self._below is not None
            self._below.settle(entry.item.stream, entry.item.seq)
        return self._seen(entry, entry.reply.result())

    def _seen(self, entry: _Open, settled: Settled) -> Settled:
        """The answer without boxes in hidden parts of the picture; states that came with it are kept."""
        self._parts.states.update(settled.states or {})
        if self._parts.hide is None or not isinstance(entry.item, Frame) or settled.answer.as_of != entry.item.seq:
            return settled
        return Settled(self._parts.hide(settled.answer, entry.item), settled.audit)

    def _detour_around(self, entry: _Open, ticket: Ticket) -> None:
        reason = "late" if entry.reply is not None else "no room below"
        cover = self._parts.cascade.cover(ticket, reason)
        self._parts.cascade.published(self.stream, cover)
        self._publish(entry.item, Settled(cover))
        if entry.reply is not None:
            self._late.append(entry)
        self._learn_late(wait=False)

    def _learn_late(self, *, wait: bool) -> None:
        while self._late and (wait or self._late[0].is_answered()):
            entry = self._late.popleft()
            below = self._answer_below(entry)
            assert entry.ticket is not None
            audit = self._parts.cascade.settle(entry.ticket, below, late=True).audit
            if audit is not None:
                self._outbox.audit(self.stream, audit)

    def _publish(self, item: Frame | Missing, settled: Settled) -> None:
        answer = settled.answer
        frame = item if isinstance(item, Frame) else None
        self._answered_by[answer.by] += 1
        for writer in self._parts.writers:
            writer.write(frame, answer, self._answered_by)
        self._outbox.publish(
            Published(
                item.stream,
                item.seq,
                item.pts,
                item.captured_at,
                frame.decoded_at if frame else 0.0,
                frame.knobs.version if frame else 0,
                answer,
                settled.audit,
            )
        )
        self._mind_snapshot(item)
        if self._parts.careful:
            self._outbox.wait_until_received()

    def _mind_snapshot(self, item: Frame | Missing) -> None:
        if self._pace.is_due(item.pts):
            states = self._parts.states | self._parts.cascade.snapshot(self.stream)
            if states:
                self._outbox.snapshot(Snapshot(self.stream, item.seq, states))
