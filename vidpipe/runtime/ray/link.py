"""A link to the next segment's actor: batches, credits, a shaper, and what to do when the actor dies."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from vidpipe.cascade.cascade import Completed, Ticket
from vidpipe.core.errors import RunError
from vidpipe.core.frame import Frame, Image
from vidpipe.pipeline.plan import Link
from vidpipe.runtime.downstream import PendingResult, broken
from vidpipe.runtime.fair_queue import FairQueue
from vidpipe.runtime.ray.job import Answers, Batch, Job, Order
from vidpipe.runtime.ray.peer import GONE, Peer, SilentError, one_line, shared_memory
from vidpipe.runtime.ray.shadow_lane import ShadowLane
from vidpipe.runtime.ray.shared_memory import Slot
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.credit import Credit
from vidpipe.runtime.transport.emulator import Travel
from vidpipe.runtime.worker import Settings

log = logging.getLogger(__name__)

OPEN_S = 300.0  # how long an actor may take to be there for the first time: models load, or are fetched and converted
REVIVE_S = 60.0  # how long a dead one may take to come back before the run goes on without it
ATTEMPTS = 3  # how often a frame is sent to an actor that dies each time
PING_EVERY_S = 2.0  # while no call returns
CALLS_OUT = 64  # of a link at a time, so that an actor has a thread for each


class RayLink:
    """The `Downstream` of a segment whose next one is an actor.

    A call carries all frames that wait, up to a batch, and returns the answers of those that may be completed. When the
    actor dies, the frames that it held are sent again one at a time, so that one that kills it costs only its own
    answer. An actor that stays away is waited for once; from then on frames fail at once, until it is back.

    Credit bounds the frames that will be completed by themselves. Those that a stream holds open until it says so take
    none: nobody could give it back while that stream waits for it. Their number is bounded by the plan (`Plan.ahead`).

    Who is on a detour never waits here: beyond the link's credit the newest frame of each such stream is kept, and they
    are packed by turns as credit becomes free.

    Whatever is raised in the link's own threads ends the link: all that is open on it fails, and who asks is told why.

    Args:
        weights: of the streams on a detour.
        settings: what a process goes by for a stream.

    Attributes:
        frames, bytes: that it has carried.
        away: why there is nobody at the other end; "" where there is.
    """

    def __init__(
        self,
        link: Link,
        actor: Any,
        weights: Mapping[str, float] | None = None,
        settings: Callable[[str], Settings] = lambda _: Settings(),
    ) -> None:
        self._link = link
        self._weights = weights if weights is not None else {}
        self._settings = settings
        self._outside: FairQueue[tuple[Ticket, PendingResult]] = FairQueue(
            self._weights, lambda waiting: waiting[1].refuse()
        )
        self._stopping = False
        self._broken: str | None = None
        self._spec = link.spec
        self._shared_memory = shared_memory(link.spec)
        self._peer = Peer(actor, self._shared_memory)
        self._patience_s = OPEN_S
        self._travel = Travel(link.spec.shaper) if link.spec.shaper else None
        self._waiting: deque[Job | Order] = deque()
        self._jobs: set[Job] = set()
        self._open: dict[tuple[str, int], Job] = {}
        self._dead = True  # it has still to be met
        self._credit = Credit(link.spec)
        self._calls_out = 0
        self._life = 0  # of the actor: calls of an earlier one count no more
        self._changed = threading.Condition()
        self.frames = self.bytes = 0
        self.away = ""
        self._shadows = ShadowLane(link, self._peer)
        for work in (self._carry, self._travel.deliver) if self._travel else (self._carry,):
            threading.Thread(target=self._run, args=(work,), name=f"vidpipe-{link.name}", daemon=True).start()

    @property
    def name(self) -> str:
        return self._link.name

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        pending = PendingResult()
        if self._link.far:
            pending.went_far()
        nbytes = self._nbytes(ticket)
        with self._changed:
            if ticket.frame.stream in self._weights and not self._fits_now(nbytes):
                self._outside.put(ticket.frame.stream, (ticket, pending))
                self._changed.notify_all()
                return pending
            if complete:
                self._changed.wait_for(lambda: self._fits(nbytes) or self._stopping)
                if not self._fits(nbytes):
                    pending.refuse()
                    return pending
            slot = self._take_room(nbytes, counted=complete)
        self._pack(ticket, pending, nbytes, slot, complete=complete)
        return pending

    def complete(self, stream: str, seq: int) -> None:
        with self._changed:
            job = self._open.pop((stream, seq), None)
            if job is None:  # the actor died with it, and it was completed when it was asked again
                return
            self._waiting.append(Order(job))
            self._changed.notify_all()

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        self._shadows.put(frame, asks, tell)
        with self._changed:
            if lost := self._broken or self.away:
                self._shadows.fail_all(lost)
            self._changed.notify_all()

    def counts(self) -> dict[str, tuple[int, int]]:
        """Frames and bytes that it has carried, by its name; those of shadow asks apart."""
        return {self.name: (self.frames, self.bytes)} | self._shadows.counts()

    def stop(self) -> None:
        """Let those go who wait for credit: their frames are refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have stages below know, before any frame, what they kept of these streams; by stream and stage id."""
        self._peer.begin(states)

    def _nbytes(self, ticket: Ticket) -> int:
        """What a picture takes; of a coded one that is known only once it is packed."""
        return ticket.frame.picture.nbytes if self._spec.codec == "raw" else 0

    def _fits_now(self, nbytes: int) -> bool:
        return self._fits(nbytes) and not self._outside

    def _fits(self, nbytes: int) -> bool:
        """Whether there is credit; where nobody will take the frame, nobody waits either."""
        return self._credit.fits(nbytes) or bool(self.away or self._broken)

    def _take_room(self, nbytes: int, *, counted: bool) -> Slot | None:
        if counted:
            self._credit.take(nbytes)
        return self._shared_memory.take(nbytes) if nbytes and self._shared_memory else None

    def _give_back(self, nbytes: int, slot: Slot | None, *, counted: bool) -> None:
        if counted:
            self._credit.give_back(nbytes)
        if slot is not None and self._shared_memory is not None:
            self._shared_memory.free(slot)
        self._changed.notify_all()

    def _pack(self, ticket: Ticket, pending: PendingResult, nbytes: int, slot: Slot | None, *, complete: bool) -> None:
        memory: Image | None = self._shared_memory.view(slot) if self._shared_memory and slot else None
        try:
            item = codec.pack(ticket, self._spec, complete=complete, memory=memory)
        except Exception as error:
            with self._changed:
                self._give_back(nbytes, slot, counted=complete)
            pending.complete(Completed(failed(f"{self.name}: {one_line(error)}")))
            return
        settings = self._settings(item.stream)._replace(knobs=ticket.frame.knobs)
        job = Job(item, settings, slot, pending)
        with self._changed:
            if complete:
                self._credit.correct(item.nbytes - nbytes)  # what a codec makes of it is known only now
            self._jobs.add(job)
            if not (lost := self._broken or self.away):
                if not complete:
                    self._open[job.frame] = job
                self._waiting.append(job)
                self._changed.notify_all()
        if lost:
            self._resolve({job: Completed(failed(lost))})
        if self._broken:
            raise RunError(self._broken)

    def _let_in(self) -> None:
        """Take as many of those outside as there is credit for."""
        while self._outside and self._fits(0):
            ticket, pending = self._outside.take()
            nbytes = self._nbytes(ticket)
            self._pack(ticket, pending, nbytes, self._take_room(nbytes, counted=True), complete=True)

    def _run(self, work: Callable[[], None]) -> None:
        """Do what a thread is for; what it raises ends the link."""
        try:
            while self._broken is None:
                work()
        except BaseException as error:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        with self._changed:
            self._broken = self._broken or broken(f"the link {self.name}", error)
            reason = self._broken
        log.debug("%s", reason, exc_info=error)
        self._fail_all(reason)

    def _carry(self) -> None:
        """Take the next batch along, or see to an actor that is not there."""
        with self._changed:
            has_work = self._changed.wait_for(self._has_work, PING_EVERY_S if self._calls_out else None)
            dead = self._dead and has_work
            batch = self._take() if has_work and not dead else None
            shadow = self._shadows.take() if self._shadows and not dead and batch is None else None
        if dead:
            self._recover()
        elif batch is not None:
            self._send(batch)
        elif shadow is not None:
            self._depart(shadow.item.nbytes, partial(self._shadows.call, shadow))
        elif not has_work and self._peer.is_silent(REVIVE_S):
            self._give_up_calls()

    def _has_work(self) -> bool:
        if self._dead:
            return not self._calls_out
        ready = self._waiting or (self._outside and self._fits(0)) or self._shadows
        return bool(ready) and self._calls_out < CALLS_OUT

    def _take(self) -> Batch | None:
        self._let_in()
        if self._spec.batch_ms and len(self._waiting) < self._spec.batch_frames:
            full = lambda: len(self._waiting) >= self._spec.batch_frames  # noqa: E731
            self._changed.wait_for(full, self._spec.batch_ms / 1000)
        batch = [self._waiting.popleft() for _ in range(min(self._spec.batch_frames, len(self._waiting)))]
        for entry in batch:
            if isinstance(entry, Job):
                entry.tries = 1
        self._calls_out += bool(batch)
        return Batch(batch, self._life) if batch else None

    def _send(self, batch: Batch) -> None:
        sent = [entry.item for entry in batch.entries if isinstance(entry, Job)]
        nbytes = sum(item.nbytes for item in sent)
        self.frames += len(sent)
        self.bytes += nbytes
        self._depart(nbytes, partial(self._call, batch))

    def _depart(self, nbytes: int, call: Callable[[], None]) -> None:
        """Call at once, or when a worse network would have brought so many bytes."""
        if self._travel is None:
            call()
        else:
            self._travel.depart(nbytes, call)

    def _call(self, batch: Batch) -> None:
        awaited = [entry.job for entry in batch.entries if isinstance(entry, Order)]
        awaited += [entry for entry in batch.entries if isinstance(entry, Job) and entry.item.complete]
        try:
            self._peer.tell()
            answers = self._peer.call(batch.entries)
        except GONE:
            self._ended_call(batch.life, dead=True)
        except Exception as error:
            self._call_each(batch, error)
        else:
            answers.add_done_callback(lambda done: self._returned(awaited, done, batch.life))

    def _call_each(self, batch: Batch, error: Exception) -> None:
        """Send one by one what cannot be sent together: a note that does not pickle costs its frame alone."""
        if len(batch.entries) > 1:
            with self._changed:
                self._calls_out += len(batch.entries) - 1
            for each in batch.entries:
                self._call(Batch([each], batch.life))
            return
        (entry,) = batch.entries
        if not isinstance(entry, Job):
            raise error
        with self._changed:
            self._open.pop(entry.frame, None)
        self._resolve({entry: Completed(failed(f"{self.name}: {one_line(error)}"))})
        self._ended_call(batch.life, dead=False)

    def _ended_call(self, life: int, *, dead: bool) -> None:
        with self._changed:
            if life != self._life:
                return
            self._dead = self._dead or dead
            self._calls_out -= 1
            self._changed.notify_all()

    def _returned(self, awaited: Sequence[Job], done: Future[Answers], life: int) -> None:
        try:
            error = done.exception()
            if isinstance(error, RunError):  # it is broken itself
                self._break(error)
            elif not isinstance(error, GONE):
                self._resolve({job: self._answer(job, done, error) for job in awaited})
            self._ended_call(life, dead=isinstance(error, GONE))
        except BaseException as raised:
            self._break(raised)

    def _answer(self, job: Job, done: Future[Answers], error: BaseException | None) -> Completed:
        if error is not None:
            return Completed(failed(f"{self._link.end}: {one_line(error)}"))
        return done.result()[job.frame]

    def _resolve(self, answers: Mapping[Job, Completed]) -> None:
        with self._changed:
            known = {job: completed for job, completed in answers.items() if job in self._jobs}
            for job in known:
                self._jobs.discard(job)
                self._give_back(job.item.nbytes, job.slot, counted=job.counted)
        for job, completed in known.items():
            if completed.states:
                self._peer.remember({job.item.stream: completed.states})
            job.pending.complete(completed)

    def _recover(self) -> None:
        """Wait for the actor, and send again, one by one, all that the instance before it held."""
        if not self._peer.meet(self._patience_s):
            self._go_without()
            self._peer.meet(None)
        with self._changed:
            self.away = ""
            self._patience_s = REVIVE_S
            lost = self._take_lost()
        if lost:
            log.warning("the actor of %s died; %d frames are sent again", self._link.end, len(lost))
        for job in lost:
            if job.tries == ATTEMPTS:
                reason = f"the actor of {self._link.end} died on this frame {ATTEMPTS} times"
                self._resolve({job: Completed(failed(reason))})
                continue
            job.tries += 1
            try:
                done = self._peer.call([job])
                error = self._outcome(done)
            except GONE as gone:
                error = gone
            if isinstance(error, GONE):
                return  # still dead: this is done anew
            self._resolve({job: self._answer(job, done, error)})
        with self._changed:
            self._dead = False

    def _outcome(self, done: Future[Answers]) -> BaseException | None:
        while True:
            try:
                return done.exception(PING_EVERY_S)
            except TimeoutError:
                if self._peer.is_silent(REVIVE_S):
                    self._give_up_calls()
                    return SilentError()

    def _give_up_calls(self) -> None:
        """The actor is as good as dead, and has been waited for: what is out will not return."""
        with self._changed:
            self._dead, self._calls_out = True, 0
            self._life += 1
            self._patience_s = PING_EVERY_S

    def _take_lost(self) -> list[Job]:
        """All that was sent and not answered, in order; their orders to complete may have died with the actor."""
        lost = sorted((job for job in self._jobs if job.tries), key=lambda job: job.frame)
        for job in lost:
            job.item = job.item._replace(complete=True)
            self._open.pop(job.frame, None)
        self._waiting = deque(e for e in self._waiting if not (isinstance(e, Order) and e.job.tries))
        return lost

    def _go_without(self) -> None:
        """Nobody is there, and nobody is waited for any more."""
        with self._changed:
            self.away = f"{self._link.end} is away: {self._peer.why_away}"
        self._fail_all(self.away)

    def _fail_all(self, reason: str) -> None:
        with self._changed:
            jobs: Collection[Job] = tuple(self._jobs)
            self._waiting.clear()
            self._open.clear()
            outside = [self._outside.take() for _ in range(len(self._outside))]
            self._shadows.fail_all(reason)
            self._changed.notify_all()
        self._resolve({job: Completed(failed(reason)) for job in jobs})
        for _, pending in outside:
            pending.complete(Completed(failed(reason)))
