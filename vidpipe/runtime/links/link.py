"""A link to a segment in another process: batches, credits, a shaper, and what to do when that process dies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vidpipe.cascade.cascade import Away, Completed, Ticket
from vidpipe.core import traces
from vidpipe.core.errors import RunError
from vidpipe.core.frame import Frame
from vidpipe.pipeline.plan import Link
from vidpipe.results.carried import Carried
from vidpipe.runtime.downstream import PendingResult, broken
from vidpipe.runtime.links.batching import Batching
from vidpipe.runtime.links.entrance import Entrance, Place
from vidpipe.runtime.links.job import Batch, Handled, Job
from vidpipe.runtime.links.jobs import Jobs
from vidpipe.runtime.links.peer import Peer, SilentError, answer_of, one_line, outcome
from vidpipe.runtime.links.presence import unanswered
from vidpipe.runtime.links.room import Room
from vidpipe.runtime.links.shadow_lane import ShadowLane
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.transport.emulator import Travel, depart
from vidpipe.runtime.transport.pace import Pace
from vidpipe.runtime.transport.packing import Heads
from vidpipe.runtime.transport.traffic import Traffic
from vidpipe.runtime.worker import Settings

log = logging.getLogger(__name__)

OPEN_S = 300.0  # how long an actor may take to be there for the first time: models load, or are fetched and converted
REVIVE_S = 60.0  # how long a dead one may take to come back before the run goes on without it
ATTEMPTS = 3  # how often a frame is sent to an actor that dies each time
PING_EVERY_S = 2.0  # while no call returns
CALLS_OUT = 64  # of a link at a time, so that an actor has a thread for each


class PeerLink:
    """The `Downstream` of a segment whose next one runs in another process, here called its actor.

    A call carries all frames that wait, up to a batch, and returns the answers of those that may be completed. When the
    actor dies, the frames that it held are sent again one at a time, so that one that kills it costs only its own
    answer. An actor that stays away is waited for once; from then on frames fail at once, until it is back. Those of a
    stream on a detour always do, and are let through little by little when it is back.

    Credit bounds the frames that will be completed by themselves. Those that a stream holds open until it says so take
    none: nobody could give it back while that stream waits for it. Their number is bounded by the plan (`Plan.ahead`).

    Who is on a detour never waits here: beyond the link's credit the newest frame of each such stream is kept, and they
    are packed by turns as credit becomes free.

    Whatever is raised in the link's own threads ends the link: all that is open on it fails, and who asks is told why.

    Args:
        weights: of the streams on a detour.
        settings: what a process goes by for a stream.
        heads: as of `packed`.

    Attributes:
        gone: why nobody is waited for any more at the other end; "" where somebody is there, or still waited for.
    """

    def __init__(
        self,
        link: Link,
        peer: Peer,
        weights: Mapping[str, float] | None = None,
        settings: Callable[[str], Settings] = lambda _: Settings(),
        heads: Heads | None = None,
    ) -> None:
        self._link = link
        self._weights = weights if weights is not None else {}
        self._broken: str | None = None
        self._peer = peer
        self._presence = peer.presence
        self._room = Room(link.spec, peer.pool)
        self._traffic = Traffic()
        self._batching = Batching(link.spec, self._traffic)
        self._changed = threading.Condition()
        pace = Pace(link.spec, self._traffic) if link.spec.adapt else None
        knows = (link, self._weights, settings, self._room, self._traffic, pace, self._changed)
        self._entrance = Entrance(*knows, is_lost=lambda: bool(self._lost), heads=heads)
        self._who = f"the {peer.kind} of {link.end}"
        self._patience_s = OPEN_S
        self._travel = Travel(link.spec.shaper) if link.spec.shaper else None
        self._jobs = Jobs(self._batching)
        self._dead = True  # it has still to be met
        self._calls_out = 0
        self._life = 0  # of the actor: calls of an earlier one count no more
        self._heard_at = 0.0  # when a call returned last
        self.gone = ""
        self._shadows = ShadowLane(link, self._peer)
        for work in (self._carry, self._travel.deliver) if self._travel else (self._carry,):
            threading.Thread(target=self._run, args=(work,), name=f"vidpipe-{link.name}", daemon=True).start()

    @property
    def _lost(self) -> str:
        """Why nobody takes a frame; "" where somebody does, or is still waited for."""
        return self._broken or self.gone

    @property
    def name(self) -> str:
        return self._link.name

    @property
    def absent(self) -> Mapping[str, Away]:
        """Who is away at the other end, by his name; nothing where somebody is there."""
        away = self._presence.away if self._presence.is_away else None
        return {} if away is None else {self._link.end: away}

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        pending = PendingResult()
        if self._link.far:
            pending.went_far()
        if ticket.frame.stream in self._weights and not self._presence.enter(pending):
            return pending
        with self._changed:
            place = self._entrance.enter(ticket, pending, complete=complete)
            if place is None:
                self._changed.notify_all()
                return pending
        self._pack(ticket, pending, place)
        return pending

    def complete(self, stream: str, seq: int) -> None:
        with self._changed:
            self._jobs.order((stream, seq))
            self._changed.notify_all()

    def away(self, stream: str) -> Away | None:
        return self._presence.keeps_out if self.gone or stream in self._weights else None

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        self._shadows.put(frame, asks, tell)
        with self._changed:
            if lost := self._lost:
                self._shadows.fail_all(lost)
            self._changed.notify_all()

    def counts(self) -> dict[str, Carried]:
        """What it has carried, by its name; of shadow asks apart."""
        with self._changed:
            now = time.monotonic(), self._entrance.step.name, str(self._presence.state)
            carried = self._traffic.carried(*now)
        return {self.name: carried} | self._shadows.counts()

    def stop(self) -> None:
        """Let those go who wait for credit: their frames are refused."""
        with self._changed:
            self._entrance.stop()

    def end(self) -> None:
        """Have its threads end: nobody asks any more."""
        self._break(RunError("the run has ended"))

    def restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have stages below know, before any frame, what they kept of these streams; by stream and stage id."""
        self._peer.begin(states)

    def _pack(self, ticket: Ticket, pending: PendingResult, place: Place) -> None:
        try:
            job = self._entrance.pack(ticket, pending, place)
        except Exception as error:
            pending.complete(Completed(failed(f"{self.name}: {one_line(error)}")))
            return
        with self._changed:
            self._jobs.add(job)
            if not (lost := self._why_lost(job.item.stream)):
                self._jobs.send(job)
                self._changed.notify_all()
        if lost:
            self._resolve({job: unanswered(lost, self._presence.away)})
        if self._broken:
            raise RunError(self._broken)

    def _why_lost(self, stream: str) -> str:
        """Why nobody will take a frame of this stream that is here; "" where somebody will, or is waited for.

        One that was let through to try an actor that is back waits while that is sent again what others had lost.
        """
        if lost := self._lost:
            return lost
        return str(self._presence.away or "") if stream in self._weights and self._presence.is_away else ""

    def _let_in(self) -> None:
        """Take as many of those outside as there is credit for."""
        while self._entrance.may_enter:
            self._pack(*self._entrance.let_in())

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
            # While it is away frames are kept out, so that no call would ever tell that it is back.
            waits = self._calls_out or self._presence.is_away
            has_work = self._changed.wait_for(self._has_work, PING_EVERY_S if waits else None)
            silent = waits and time.monotonic() - self._heard_at > PING_EVERY_S
            dead = self._dead and has_work
            batch = self._take() if has_work and not dead else None
            shadow = self._shadows.take() if self._shadows and not dead and batch is None else None
        if dead:
            self._recover()
        elif batch is not None:
            self._send(batch)
        elif shadow is not None:
            depart(self._travel, shadow.item.nbytes, partial(self._shadows.call, shadow))
        if silent and not dead:
            self._mind_silence()

    def _mind_silence(self) -> None:
        """No call returns: it is asked whether it is there at all."""
        if self._peer.is_silent(REVIVE_S):
            self._give_up_calls()
        elif self._peer.is_silent(self._peer.silent_s):
            self._shut("no answer")
        else:
            self._presence.met()

    def _has_work(self) -> bool:
        if self._dead:
            return not self._calls_out
        ready = self._batching or self._entrance.may_enter or self._shadows
        return bool(ready) and self._calls_out < CALLS_OUT

    def _take(self) -> Batch | None:
        self._let_in()
        if self._batching:
            self._changed.wait_for(self._batching.is_full, self._batching.left_s(time.monotonic()))
        batch = self._batching.take(self._life)
        self._calls_out += batch is not None
        return batch

    def _send(self, batch: Batch) -> None:
        nbytes = sum(job.item.nbytes for job in batch.jobs)
        for job in batch.jobs:
            if job.item.trace:
                traces.note(f"wait for {self.name}", job.item.trace, job.since_s, time.monotonic())
        with self._changed:
            sent = self._traffic.send(len(batch.jobs), nbytes, time.monotonic())
        depart(self._travel, nbytes, partial(self._call, batch._replace(sent=sent)))

    def _call(self, batch: Batch) -> None:
        self._heard_at = self._heard_at if self._calls_out > 1 else time.monotonic()
        try:
            self._peer.tell()
            handled = self._peer.call(batch.entries)
        except self._peer.gone:
            self._ended_call(batch, dead=True)
        except Exception as error:
            self._call_each(batch, error)
        else:
            handled.add_done_callback(lambda done: self._returned(batch, done))

    def _call_each(self, batch: Batch, error: Exception) -> None:
        """Send one by one what cannot be sent together: a note that does not pickle costs its frame alone."""
        if len(batch.entries) > 1:
            with self._changed:
                if batch.life == self._life:
                    self._calls_out += len(batch.entries) - 1
                self._traffic.lose(batch.sent)
            for each in batch.entries:
                self._call(Batch([each], batch.life))
            return
        (entry,) = batch.entries
        if not isinstance(entry, Job):
            raise error
        self._resolve({entry: Completed(failed(f"{self.name}: {one_line(error)}"))})
        self._ended_call(batch, dead=False)

    def _ended_call(self, batch: Batch, *, dead: bool) -> None:
        with self._changed:
            self._traffic.lose(batch.sent)
            if batch.life != self._life:
                return
            self._calls_out -= 1
            self._heard_at = time.monotonic()
            if dead:  # what else is out does not return either, but Ray tells each call a second later than the last
                self._bury()
            self._changed.notify_all()
        if dead:
            self._shut("it died")

    def _returned(self, batch: Batch, done: Future[Handled]) -> None:
        try:
            error = done.exception()
            if error is None and batch.sent is not None:
                with self._changed:
                    brought = [job.pending for job in batch.jobs]
                    self._traffic.arrive(batch.sent, brought, done.result().held_s, time.monotonic())
            if isinstance(error, RunError):  # it is broken itself
                self._break(error)
            elif not isinstance(error, self._peer.gone):
                self._resolve({job: answer_of(job, done, error, self._link.end) for job in batch.awaited})
            self._ended_call(batch, dead=isinstance(error, self._peer.gone))
        except BaseException as raised:
            self._break(raised)

    def _resolve(self, answers: Mapping[Job, Completed]) -> None:
        with self._changed:
            known = {job: completed for job, completed in answers.items() if job in self._jobs}
            for job in known:
                self._jobs.let_go(job)
                self._traffic.forget(job.pending)
                self._room.give_back(job.item.nbytes, job.slot, counted=job.counted)
            self._changed.notify_all()
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
            self.gone = ""
            self._patience_s = REVIVE_S
            lost = self._jobs.lost()
        if lost:
            log.warning("%s died; %d frames are sent again", self._who, len(lost))
        for job in lost:
            if job.tries == ATTEMPTS:
                reason = f"{self._who} died on this frame {ATTEMPTS} times"
                self._resolve({job: Completed(failed(reason))})
                continue
            job.tries += 1
            try:
                done = self._peer.call([job])
                error = outcome(self._peer, done, PING_EVERY_S, REVIVE_S)
                if isinstance(error, SilentError):
                    self._give_up_calls()
            except self._peer.gone as raised:
                error = raised
            if isinstance(error, self._peer.gone):
                self._shut("it died")
                return  # still dead: this is done anew
            self._resolve({job: answer_of(job, done, error, self._link.end)})
        with self._changed:
            self._dead = False

    def _give_up_calls(self) -> None:
        """The actor is as good as dead, and has been waited for."""
        with self._changed:
            self._bury()
            self._patience_s = PING_EVERY_S

    def _bury(self) -> None:
        """What is out counts no more."""
        self._dead, self._calls_out = True, 0
        self._traffic.lose_all()
        self._life += 1

    def _go_without(self) -> None:
        """Nobody is there, and nobody is waited for any more."""
        with self._changed:
            self.gone = f"{self._link.end} is away: {self._peer.why_away}"
        self._presence.lost(self._peer.why_away)
        self._fail_all(self.gone, self._presence.away)

    def _shut(self, why: str) -> None:
        """Nobody answers: who is on a detour need not wait to hear so."""
        self._presence.lost(why)
        away = self._presence.away
        self._fail_all(str(away), away, self._weights)

    def _fail_all(self, reason: str, away: Away | None = None, streams: Collection[str] | None = None) -> None:
        """Fail what is open, of all streams or of these."""
        with self._changed:
            jobs = self._jobs.given_up(streams)
            outside = self._entrance.drain()
            self._shadows.fail_all(reason)
            self._changed.notify_all()
        self._resolve({job: unanswered(reason, away) for job in jobs})
        for pending in outside:
            pending.complete(unanswered(reason, away))
