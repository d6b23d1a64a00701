"""One thread for the stages that many streams share: it takes whatever is waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from vidpipe.cascade.cascade import Away, Cascade, Completed, Ticket
from vidpipe.core import traces
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import RunError, contained
from vidpipe.core.frame import Frame
from vidpipe.runtime.downstream import Downstream, PendingResult, broken
from vidpipe.runtime.fair_queue import FairQueue
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell, refuse
from vidpipe.runtime.snapshot_timer import SnapshotTimer

log = logging.getLogger(__name__)

MAX_BATCH = 16  # frames of one call of a stage; more waiting ones are taken by the next
LIVE_BATCH_S = 0.05  # of live streams no more than can be done in so long: those that come meanwhile wait
MOST_BACK = 64  # frames that wait to be looked at for reachback; a stream has one at a time


class _Ticket(Ticket):
    """A frame of whoever asked here.

    Attributes:
        may_complete: stages may learn from its answer.
        pending: what whoever asked waits for.
        since: when it came, by the monotonic clock; only of a frame that is traced.
        below: what the next place has said.
    """

    __slots__ = ("below", "may_complete", "pending", "since")

    def __init__(self, asked: Ticket, may_complete: bool) -> None:
        # A ticket of its own: what stages passed the frame on above is no business of this cascade.
        super().__init__(asked.frame, due=asked.due, straight=asked.straight)
        self.may_complete = may_complete
        self.pending = PendingResult()
        self.below: Completed | None = None
        self.since = time.monotonic() if asked.frame.trace else 0.0

    @property
    def key(self) -> tuple[str, int]:
        return self.frame.stream, self.frame.seq


class _Ask(NamedTuple):
    ticket: _Ticket


class _Complete(NamedTuple):
    stream: str
    seq: int


class _Answered(NamedTuple):
    ticket: _Ticket
    below: Completed


class _AskBack(NamedTuple):
    frame: Frame
    ask: ShadowAsk
    tell: Tell


class _Restore(NamedTuple):
    states: Mapping[str, Mapping[str, bytes]]
    done: Future[None]


_Job = _Ask | _Complete | _Answered | _Restore | _AskBack
_ORDERS = _Complete | _Answered | _Restore


class SegmentWorker:
    """A cascade that runs in a thread of its own, as the `Downstream` of the streams that come to it.

    Stages cannot end it; whatever else is raised in its thread does: all that is open there fails, and who asks is told
    why.

    Args:
        make: builds the cascade; called in the new thread, which is the one that will use it.
        downstream: where frames go that the cascade passes on.
        name: of the thread, for debuggers and profilers.
        weights: of the streams on a detour, whose waiting frames give way to newer ones.
        shadow: what is done with shadow asks; see `Downstream.shadow`.
        stages: ids of those that stand here.
    """

    def __init__(
        self,
        make: Callable[[], Cascade],
        downstream: Downstream | None,
        name: str,
        weights: Mapping[str, float] | None = None,
        shadow: Callable[[Frame, Sequence[ShadowAsk], Tell], None] = lambda *_: None,
        stages: Collection[str] = (),
    ) -> None:
        self._make = make
        self._shadow = shadow
        self._stages = stages
        self._back: deque[_AskBack] = deque()  # they are taken when nothing else waits
        self._downstream = downstream
        self._weights = weights if weights is not None else {}
        self._waiting: FairQueue[_Job] = FairQueue(self._weights, _refuse)
        self._frame_s = 0.0  # what a frame takes, on the average
        self._changed = threading.Condition()
        self._stopping = False
        self._broken: str | None = None
        self._at_work: list[_Job] = []
        self._tickets: dict[tuple[str, int], _Ticket] = {}
        self._snapshot_timers: defaultdict[str, SnapshotTimer] = defaultdict(SnapshotTimer)
        self._opened: Future[Cascade] = Future()
        self._thread = threading.Thread(target=self._run, name=f"vidpipe-{name}", daemon=True)

    def start(self) -> Future[Cascade]:
        """Start the thread; the future is the cascade once it is open, or what kept it from opening."""
        self._thread.start()
        return self._opened

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        if self._broken is not None:
            raise RunError(self._broken)
        own = _Ticket(ticket, complete)
        if own.frame.stream in self._weights:
            self._put_newest(own.frame.stream, _Ask(own))
        else:
            self._put(_Ask(own))
        return own.pending

    def complete(self, stream: str, seq: int) -> None:
        self._put(_Complete(stream, seq))

    def away(self, stream: str) -> Away | None:
        return self._downstream.away(stream) if self._downstream is not None else None

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        others = [ask for ask in asks if not (ask.back and ask.stage in self._stages)]
        if others:
            self._shadow(frame, others, tell)
        back = [_AskBack(frame, ask, tell) for ask in asks if ask not in others]
        with self._changed:
            takes = not self._stopping and self._broken is None and len(self._back) + len(back) <= MOST_BACK
            if takes:
                self._back += back
                self._changed.notify()
        if not takes:
            _refuse_back(back, "nobody has time for it")

    def restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have the stages take up what they kept, by stream and stage id; returns when that is done."""
        if not states:
            return
        restore = _Restore(states, Future())
        self._put(restore)
        restore.done.result()

    def stop(self, timeout_s: float) -> None:
        """End the thread once what is waiting has been done, and wait for that so long."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _put(self, job: _Job) -> None:
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
        self._mind_broken()

    def _put_newest(self, stream: str, job: _Ask) -> None:
        with self._changed:
            self._waiting.put(stream, job)
            self._changed.notify()
        self._mind_broken()

    def _run(self) -> None:
        try:
            self._cascade = self._make()
        except BaseException as error:
            self._opened.set_exception(error if isinstance(error, Exception) else contained(error))
            return
        self._opened.set_result(self._cascade)
        try:
            while jobs := self._take():
                self._do(jobs)
            self._cascade.close()
            _refuse_back(self._left_back(), "the run ends")
        except BaseException as error:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        reason = broken(f"the thread of {self._thread.name.removeprefix('vidpipe-')}", error)
        log.debug("%s", reason, exc_info=error)
        with self._changed:
            self._broken = reason
        self._mind_broken()

    def _mind_broken(self) -> None:
        """Where the thread has ended nobody takes what waits: all of it fails."""
        if self._broken is None:
            return
        completed = Completed(failed(self._broken))
        with self._changed:
            jobs = [self._waiting.take() for _ in range(len(self._waiting))] + self._at_work
            tickets = [*self._tickets.values(), *(job.ticket for job in jobs if isinstance(job, _Ask | _Answered))]
            self._tickets.clear()
            self._at_work = []
        _refuse_back([*self._left_back(), *(job for job in jobs if isinstance(job, _AskBack))], self._broken)
        for job in jobs:
            if isinstance(job, _Restore) and not job.done.done():
                job.done.set_exception(RunError(self._broken))
        for ticket in dict.fromkeys(tickets):
            if not ticket.pending.completed.done():
                ticket.pending.complete(completed)

    def _take(self) -> list[_Job]:
        with self._changed:
            while not self._waiting and not self._back and not self._stopping:
                self._changed.wait()
            if not self._waiting and self._back and not self._stopping:
                self._at_work = [self._back.popleft()]
                return self._at_work
            self._at_work = [self._next() for _ in range(self._batch_size(len(self._waiting)))]
            return self._at_work

    def _next(self) -> _Job:
        """What is next: orders before frames, as they are quickly done."""
        first = self._waiting.first_in_order()
        return self._waiting.take_in_order() if isinstance(first, _ORDERS) else self._waiting.take()

    def _batch_size(self, waiting: int) -> int:
        most = min(waiting, MAX_BATCH)
        if not self._weights or not self._frame_s:
            return most
        # Half of them, as to take all would leave no choice to the weights.
        return min(most, max(int(LIVE_BATCH_S / self._frame_s), 1), (waiting + 1) // 2)

    def _do(self, jobs: Sequence[_Job]) -> None:
        asked: list[_Ticket] = []
        for job in jobs:
            if isinstance(job, _Ask):
                asked.append(job.ticket)
                continue
            # What comes behind an asking in a stream must see it done.
            self._ask(asked)
            asked = []
            if isinstance(job, _Complete):
                self._allow(job)
            elif isinstance(job, _Restore):
                self._restore(job)
            elif isinstance(job, _AskBack):
                self._ask_back(job)
            else:
                job.ticket.below = job.below
                self._guard(job.ticket, self._advance)
        self._ask(asked)

    def _guard(self, ticket: _Ticket, work: Callable[[_Ticket], None]) -> None:
        """Do something for a frame; what goes wrong costs that frame, and never this thread, for which others wait."""
        try:
            work(ticket)
        except RunError:  # what lies below has broken: nobody gets through any more
            raise
        except BaseException as error:
            log.exception("a frame was lost between stages")
            self._tickets.pop(ticket.key, None)
            if not ticket.pending.completed.done():
                ticket.pending.complete(Completed(failed(str(contained(error)))))

    def _ask(self, tickets: Sequence[_Ticket]) -> None:
        if not tickets:
            return
        for ticket in tickets:
            if ticket.frame.trace:
                segment = self._thread.name.removeprefix("vidpipe-")
                traces.note(f"queue of {segment}", ticket.frame.trace, ticket.since, time.monotonic())
        began = time.perf_counter()
        try:
            self._cascade.ask(tickets)
        except BaseException as error:
            log.exception("a cascade broke")
            for ticket in tickets:
                ticket.answer = failed(str(contained(error)))
        took_s = (time.perf_counter() - began) / len(tickets)
        self._frame_s += 0.2 * (took_s - self._frame_s) if self._frame_s else took_s
        for ticket in tickets:
            self._tickets[ticket.key] = ticket
            self._guard(ticket, self._pass_on)

    def _pass_on(self, ticket: _Ticket) -> None:
        if ticket.answer is None and self._downstream is not None:
            pending = self._downstream.ask(ticket, complete=ticket.may_complete)
            if pending.local.done() and pending.local.result().far:
                ticket.pending.went_far(self._cascade.stage_fallback(ticket))
            pending.completed.add_done_callback(partial(self._answered, ticket))
        else:
            self._advance(ticket)

    def _answered(self, ticket: _Ticket, pending: Future[Completed]) -> None:
        self._put(_Answered(ticket, pending.result()))

    def _allow(self, job: _Complete) -> None:
        ticket = self._tickets.get(job)
        if ticket is None:  # completed without being told, after what stood below was lost
            return
        ticket.may_complete = True
        self._guard(ticket, self._let_complete)

    def _let_complete(self, ticket: _Ticket) -> None:
        if ticket.answer is None and self._downstream is not None:
            self._downstream.complete(*ticket.key)
        self._advance(ticket)

    def _advance(self, ticket: _Ticket) -> None:
        if not ticket.may_complete or (ticket.answer is None and ticket.below is None and self._downstream is not None):
            return
        if self._tickets.get(ticket.key) is ticket:  # who lost sight of us may have asked it again
            del self._tickets[ticket.key]
        completed = self._cascade.complete(ticket, ticket.below)
        ticket.pending.complete(self._with_states(ticket, completed))

    def _with_states(self, ticket: _Ticket, completed: Completed) -> Completed:
        """With what stages keep of the stream, when that is due: those above hold it, in case this process dies."""
        states = dict(ticket.below.states or {}) if ticket.below is not None else {}
        if self._snapshot_timers[ticket.frame.stream].is_due(ticket.frame.pts):
            states |= self._cascade.snapshot(ticket.frame.stream)
        return completed._replace(states=states) if states else completed

    def _ask_back(self, job: _AskBack) -> None:
        """Look at a frame for reachback: no stage learns of it, and nothing is noted of its stream."""
        try:
            answer = self._cascade.look_again(job.frame, job.ask.stage, job.ask.config)
        except BaseException as error:
            log.exception("a look for reachback broke")
            answer = failed(str(contained(error)))
        job.tell(job.ask, Reply(answer))

    def _left_back(self) -> list[_AskBack]:
        with self._changed:
            left = list(self._back)
            self._back.clear()
        return left

    def _restore(self, job: _Restore) -> None:
        for stream, states in job.states.items():
            self._cascade.restore(stream, states)
        job.done.set_result(None)


def _refuse(job: _Job) -> None:
    assert isinstance(job, _Ask)
    job.ticket.pending.refuse()


def _refuse_back(jobs: Iterable[_AskBack], reason: str) -> None:
    for job in jobs:
        refuse([job.ask], job.tell, reason)


def failed(reason: str, by: str = "engine") -> Answer:
    """An answer that says that there is none; whoever publishes it fills in the last one."""
    return Answer(nothing(), How.FAILED, by, -1, reason)
