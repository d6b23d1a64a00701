"""A link to the next segment's actor: batches, credits, a shaper, and what to do when the actor dies."""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayActorError

from vidpipe.cascade import Settled, Ticket
from vidpipe.engine import wire
from vidpipe.engine.below import Reply
from vidpipe.engine.lanes import Lanes
from vidpipe.engine.pipeline import LinkSpec
from vidpipe.engine.plan import Link
from vidpipe.engine.ray.arena import Arena, Slot
from vidpipe.engine.shaper import Shaper
from vidpipe.engine.tail import failed
from vidpipe.picture import Planes

log = logging.getLogger(__name__)

REVIVE_S = 60.0  # how long a dead actor may take to come back before its frames are failed
ATTEMPTS = 3  # how often a frame is sent to an actor that dies each time


class SettleOrder(NamedTuple):
    """Tells the actor that a frame, asked earlier, may be learnt from; its answer comes with this."""

    stream: str
    seq: int


Message = wire.WireFrame | tuple[wire.WireFrame, Slot] | SettleOrder

_ELSEWHERE = np.empty(0, np.uint8)


class _Job:
    """A frame on the link; it keeps its credit until it is settled."""

    __slots__ = ("item", "reply", "sent", "slot")

    def __init__(self, item: wire.WireFrame, slot: Slot | None, reply: Reply | None = None) -> None:
        self.item = item
        self.slot = slot
        self.sent = False
        self.reply = reply or Reply()

    def message(self, *, by_slot: bool) -> Message:
        """What travels: the frame without its planes where these lie in memory that both sides have."""
        if not by_slot or self.slot is None:
            return self.item
        assert isinstance(self.item.picture, Planes)
        return self.item._replace(picture=self.item.picture._replace(pixels=_ELSEWHERE)), self.slot


class _Order(NamedTuple):
    """Lets a frame that was asked be settled."""

    job: _Job

    def message(self, *, by_slot: bool) -> Message:
        return SettleOrder(self.job.item.stream, self.job.item.seq)


class RayLink:
    """The `Below` of a segment whose next one is an actor.

    A call carries all frames that wait, up to a batch, and returns the answers of those that may be settled. Calls
    bear numbers, by which the actor takes them in order. When the actor dies, the frames that it held are sent again
    one at a time, so that the one that kills it, if it was one, costs only its own answer.

    Who is on a detour never waits here: beyond the link's credit the newest frame of each such stream is kept, and they
    are packed by turns as credit becomes free.

    Args:
        weights: of the streams on a detour.
    """

    def __init__(self, link: Link, actor: Any, weights: Mapping[str, float] | None = None) -> None:
        self._link = link
        self._weights = weights if weights is not None else {}
        self._outside: Lanes[tuple[Ticket, Reply]] = Lanes(self._weights, lambda waiting: waiting[1].refuse())
        self._stopping = False
        self._spec = link.spec
        self._actor = actor
        self._shaper = Shaper(link.spec.shaper) if link.spec.shaper else None
        self._began = time.monotonic()
        self._waiting: deque[_Job | _Order] = deque()
        self._unsettled: dict[tuple[str, int], _Job] = {}
        self._lost: list[_Job] = []
        self._dead = False
        self._frames_out = 0
        self._bytes_out = 0
        self._calls_out = 0
        self._changed = threading.Condition()
        # With a link made slower on purpose, or another machine behind it, pictures travel in the message.
        self._arena = _arena(link.spec) if self._shaper is None else None
        self._attached = False
        self._states: dict[str, dict[str, Any]] = {}
        self._packed: bytes | None = None
        self._caller = uuid.uuid4().hex
        self._number = 0
        self.frames = 0
        self.bytes = 0
        self._travelling: SimpleQueue[tuple[float, Sequence[_Job | _Order]]] = SimpleQueue()
        for work in (self._run, self._deliver) if self._shaper else (self._run,):
            threading.Thread(target=work, name=f"vidpipe-{link.name}", daemon=True).start()

    @property
    def name(self) -> str:
        return self._link.name

    def ask(self, ticket: Ticket, *, settle: bool) -> Reply:
        reply = Reply()
        nbytes = self._nbytes(ticket)
        with self._changed:
            if ticket.frame.stream in self._weights and (self._outside or not self._fits(nbytes)):
                return self._leave_outside(ticket, reply)
            while not self._fits(nbytes):
                if self._stopping:
                    reply.refuse()
                    return reply
                self._changed.wait()
            slot = self._take_credit(nbytes)
        if self._link.far:
            reply.went_far()
        self._pack(ticket, reply, nbytes, slot, settle=settle)
        return reply

    def stop(self) -> None:
        """Let those go who wait for credit: their frames are refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _leave_outside(self, ticket: Ticket, reply: Reply) -> Reply:
        if self._link.far:
            reply.went_far()
        self._outside.put(ticket.frame.stream, (ticket, reply))
        self._changed.notify_all()
        return reply

    def _let_in(self) -> None:
        """Take as many of those outside as there is credit for."""
        while self._outside and self._fits(0):
            ticket, reply = self._outside.take()
            nbytes = self._nbytes(ticket)
            self._pack(ticket, reply, nbytes, self._take_credit(nbytes), settle=True)

    def _nbytes(self, ticket: Ticket) -> int:
        """What a picture takes; of a coded one that is known only once it is packed."""
        return ticket.frame.picture.nbytes if self._spec.codec == "raw" else 0

    def _take_credit(self, nbytes: int) -> Slot | None:
        self._frames_out += 1
        self._bytes_out += nbytes
        return self._arena.take(nbytes) if nbytes and self._arena else None

    def _pack(self, ticket: Ticket, reply: Reply, nbytes: int, slot: Slot | None, *, settle: bool) -> None:
        memory = self._arena.view(slot) if self._arena and slot else None
        job = _Job(wire.pack(ticket, self._spec, settle=settle, memory=memory), slot, reply)
        with self._changed:
            self._bytes_out += job.item.nbytes - nbytes  # what a codec makes of it is known only now
            if not settle:
                self._unsettled[job.item.stream, job.item.seq] = job
            self._waiting.append(job)
            self._changed.notify_all()

    def settle(self, stream: str, seq: int) -> None:
        with self._changed:
            job = self._unsettled.pop((stream, seq), None)
            if job is None:  # the actor died with it, and it was settled when it was asked again
                return
            self._waiting.append(_Order(job))
            self._changed.notify_all()

    def update(self, packed: bytes) -> None:
        """Hold the packed pipeline of other streams than the actor was made for, for when it has died."""
        with self._changed:
            self._packed = packed

    def remember(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Hold what stages below keep, by stream and stage id, for when the actor dies and has to take it up again."""
        with self._changed:
            for stream, kept in states.items():
                self._states.setdefault(stream, {}).update(kept)

    def _fits(self, nbytes: int) -> bool:
        if not self._frames_out:
            return True
        return self._frames_out < self._spec.credit_frames and self._bytes_out + nbytes <= self._spec.credit_mb * 1e6

    def _attach(self) -> bool:
        """Let the actor see our shared memory; whether it can."""
        if self._arena is None:
            return False
        return bool(ray.get(self._actor.attach.remote(self._caller, self._arena.address)))

    def _run(self) -> None:
        try:
            self._attached = self._attach()
        except RayActorError:  # the first call will find that out, and recover
            self._attached = False
        while True:
            batch = self._take()
            if batch:
                self._send(batch)
            else:
                self._recover()

    def _take(self) -> list[_Job | _Order]:
        """The next batch; none when the actor has died and all its calls have ended."""
        with self._changed:
            self._changed.wait_for(self._has_work)
            if self._dead:
                return []
            self._let_in()
            if self._spec.batch_ms and len(self._waiting) < self._spec.batch_frames:
                full = lambda: len(self._waiting) >= self._spec.batch_frames  # noqa: E731
                self._changed.wait_for(full, self._spec.batch_ms / 1000)
            batch = [self._waiting.popleft() for _ in range(min(self._spec.batch_frames, len(self._waiting)))]
            for entry in batch:
                if isinstance(entry, _Job):
                    entry.sent = True
            self._calls_out += 1
        return batch

    def _has_work(self) -> bool:
        if self._dead:
            return not self._calls_out
        return bool(self._waiting or (self._outside and self._fits(0)))

    def _send(self, batch: Sequence[_Job | _Order]) -> None:
        """Count the batch, and call with it: at once, or when a worse network would have brought it."""
        sent = [entry.item for entry in batch if isinstance(entry, _Job)]
        nbytes = sum(item.nbytes for item in sent)
        self.frames += len(sent)
        self.bytes += nbytes
        if self._shaper is None:
            self._call(batch)
        else:
            self._travelling.put((self._shaper.arrival_s(time.monotonic() - self._began, nbytes), batch))

    def _deliver(self) -> None:
        while True:
            arrival_s, batch = self._travelling.get()
            time.sleep(max(0.0, self._began + arrival_s - time.monotonic()))
            self._call(batch)

    def _call(self, batch: Sequence[_Job | _Order]) -> None:
        number, self._number = self._number, self._number + 1
        messages = [entry.message(by_slot=self._attached) for entry in batch]
        awaited = [entry.job for entry in batch if isinstance(entry, _Order)]
        awaited += [entry for entry in batch if isinstance(entry, _Job) and entry.item.settle]
        reference = self._actor.handle.remote(self._caller, number, messages)
        reference.future().add_done_callback(lambda done: self._returned(awaited, done))

    def _returned(self, awaited: Sequence[_Job], done: Future[Mapping[tuple[str, int], Settled]]) -> None:
        error = done.exception()
        if isinstance(error, RayActorError):
            with self._changed:
                self._lost.extend(awaited)
                self._dead = True
        else:
            self._resolve({job: self._answer(job, done, error) for job in awaited})
        with self._changed:
            self._calls_out -= 1
            self._changed.notify_all()

    def _answer(
        self, job: _Job, done: Future[Mapping[tuple[str, int], Settled]], error: BaseException | None
    ) -> Settled:
        if error is not None:
            return Settled(failed(f"{self._link.lower}: {_first_line(error)}"))
        return done.result()[job.item.stream, job.item.seq]

    def _resolve(self, answers: Mapping[_Job, Settled]) -> None:
        with self._changed:
            self._frames_out -= len(answers)
            self._bytes_out -= sum(job.item.nbytes for job in answers)
            for job in answers:
                if job.slot is not None and self._arena is not None:
                    self._arena.free(job.slot)
            self._changed.notify_all()
        for job, settled in answers.items():
            if settled.states:
                self.remember({job.item.stream: settled.states})
            job.reply.settle(settled)

    def _recover(self) -> None:
        """Send again, one by one, all that a dead actor held."""
        with self._changed:
            self._dead = False
            held = [job for job in self._unsettled.values() if job.sent]
            held += [entry.job for entry in self._waiting if isinstance(entry, _Order) and entry.job.sent]
            lost = sorted({*self._lost, *held}, key=lambda job: (job.item.stream, job.item.seq))
            self._lost.clear()
            for job in held:
                self._unsettled.pop((job.item.stream, job.item.seq), None)
            self._waiting = deque(e for e in self._waiting if not (isinstance(e, _Order) and e.job.sent))
        log.warning("the actor of %s died; %d frames are sent again", self._link.lower, len(lost))
        for job in lost:
            self._resolve({job: self._again(job)})

    def _again(self, job: _Job) -> Settled:
        # Its order to settle may have died with the actor.
        again = _Job(job.item._replace(settle=True), job.slot)
        for _ in range(ATTEMPTS - 1):
            if not self._revived():
                return Settled(failed(f"the actor of {self._link.lower} died and did not come back"))
            try:
                message = again.message(by_slot=self._attached)
                answers = ray.get(self._actor.handle.remote(self._caller, 0, [message]))
            except RayActorError:
                continue
            self._number = 1
            settled: Settled = answers[job.item.stream, job.item.seq]
            return settled
        self._revived()  # for the frames behind this one
        return Settled(failed(f"the actor of {self._link.lower} died on this frame {ATTEMPTS} times"))

    def _revived(self) -> bool:
        """Wait until the actor runs again; what it takes from us is counted anew."""
        self._caller, self._number = uuid.uuid4().hex, 0
        deadline = time.monotonic() + REVIVE_S
        while time.monotonic() < deadline:
            try:
                ray.get(self._actor.ready.remote(), timeout=REVIVE_S)
                if self._packed is not None:
                    ray.get(self._actor.update.remote(self._packed), timeout=REVIVE_S)
                with self._changed:
                    states = {stream: dict(kept) for stream, kept in self._states.items()}
                if states:
                    ray.get(self._actor.restore.remote(states), timeout=REVIVE_S)
                self._attached = self._attach()
                return True
            except (RayActorError, GetTimeoutError):
                time.sleep(0.1)
        return False


def _arena(spec: LinkSpec) -> Arena | None:
    """Memory for as much as may be under way, or None where the system cannot share it (it is no Linux)."""
    if spec.codec != "raw" or not hasattr(os, "memfd_create"):
        return None
    return Arena(int(spec.credit_mb * 1.25e6))


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]
