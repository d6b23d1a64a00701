"""A link to the next segment's actor: batches, credits, a shaper, and what to do when the actor dies."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from vidpipe.cascade import Settled, Ticket
from vidpipe.engine import wire
from vidpipe.engine.plan import Link
from vidpipe.engine.shaper import Shaper
from vidpipe.engine.tail import failed

log = logging.getLogger(__name__)

REVIVE_S = 60.0  # how long a dead actor may take to come back before its frames are failed
ATTEMPTS = 3  # how often a frame is sent to an actor that dies each time


class SettleOrder(NamedTuple):
    """Tells the actor that a frame, asked earlier, may be learnt from."""

    stream: str
    seq: int


Item = wire.WireFrame | SettleOrder


class _Job:
    """A frame, or an order, that waits for its call; a frame keeps its credit until it is settled."""

    __slots__ = ("item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Future[Settled] = Future()

    @property
    def nbytes(self) -> int:
        return self.item.nbytes if isinstance(self.item, wire.WireFrame) else 0


class RayLink:
    """The `Below` of a segment whose next one is an actor.

    A call carries all frames that wait, up to a batch, and returns their answers. Calls bear numbers, by which the
    actor takes them in order. When the actor dies, the frames that it held are sent again one at a time, so that the
    one that kills it, if it was one, costs only its own answer.
    """

    def __init__(self, link: Link, actor: Any) -> None:
        self._link = link
        self._spec = link.spec
        self._actor = actor
        self._shaper = Shaper(link.spec.shaper) if link.spec.shaper else None
        self._began = time.monotonic()
        self._waiting: deque[_Job] = deque()
        self._lost: deque[_Job] = deque()
        self._frames_out = 0
        self._bytes_out = 0
        self._calls_out = 0
        self._changed = threading.Condition()
        self._caller = uuid.uuid4().hex
        self._number = 0
        self.frames = 0
        self.bytes = 0
        threading.Thread(target=self._run, name=f"vidpipe-{link.name}", daemon=True).start()

    @property
    def name(self) -> str:
        return self._link.name

    def ask(self, ticket: Ticket, *, settle: bool) -> Future[Settled]:
        job = _Job(wire.pack(ticket, self._spec, settle=settle))
        with self._changed:
            while not self._fits(job.nbytes):
                self._changed.wait()
            self._frames_out += 1
            self._bytes_out += job.nbytes
            self._waiting.append(job)
            self._changed.notify_all()
        return job.result

    def settle(self, stream: str, seq: int) -> None:
        with self._changed:
            self._waiting.append(_Job(SettleOrder(stream, seq)))
            self._changed.notify_all()

    def has_room(self) -> bool:
        with self._changed:
            return self._fits(0)

    def _fits(self, nbytes: int) -> bool:
        if not self._frames_out:
            return True
        return self._frames_out < self._spec.credit_frames and self._bytes_out + nbytes <= self._spec.credit_mb * 1e6

    def _run(self) -> None:
        while True:
            batch = self._take()
            if batch:
                self._transmit(batch)
                self._call(batch)
            else:
                self._recover()

    def _take(self) -> list[_Job]:
        """The next batch; none when frames were lost with the actor and all its calls have ended."""
        with self._changed:
            self._changed.wait_for(lambda: (self._lost and not self._calls_out) or (self._waiting and not self._lost))
            if self._lost:
                return []
            if self._spec.batch_ms and len(self._waiting) < self._spec.batch_frames:
                full = lambda: len(self._waiting) >= self._spec.batch_frames  # noqa: E731
                self._changed.wait_for(full, self._spec.batch_ms / 1000)
            batch = [self._waiting.popleft() for _ in range(min(self._spec.batch_frames, len(self._waiting)))]
            self._calls_out += 1
        return batch

    def _transmit(self, batch: Sequence[_Job]) -> None:
        """Count the batch, and hold it up as long as a worse network would."""
        sent = [job for job in batch if job.nbytes]
        self.frames += len(sent)
        nbytes = sum(job.nbytes for job in sent)
        self.bytes += nbytes
        if self._shaper is not None:
            now_s = time.monotonic() - self._began
            time.sleep(max(0.0, self._shaper.arrival_s(now_s, nbytes) - now_s))

    def _call(self, batch: Sequence[_Job]) -> None:
        number, self._number = self._number, self._number + 1
        reference = self._actor.handle.remote(self._caller, number, [job.item for job in batch])
        reference.future().add_done_callback(lambda done: self._returned(batch, done))

    def _returned(self, batch: Sequence[_Job], done: Future[list[Settled]]) -> None:
        error = done.exception()
        frames = [job for job in batch if isinstance(job.item, wire.WireFrame)]
        if isinstance(error, RayActorError):
            with self._changed:
                self._lost.extend(frames)
                self._calls_out -= 1
                self._changed.notify_all()
            return
        if error is not None:
            answers = [Settled(failed(f"{self._link.lower}: {_first_line(error)}"))] * len(frames)
        else:
            answers = done.result()
        self._resolve(frames, answers)
        with self._changed:
            self._calls_out -= 1
            self._changed.notify_all()

    def _resolve(self, jobs: Sequence[_Job], answers: Sequence[Settled]) -> None:
        with self._changed:
            self._frames_out -= len(jobs)
            self._bytes_out -= sum(job.nbytes for job in jobs)
            self._changed.notify_all()
        for job, settled in zip(jobs, answers, strict=True):
            job.result.set_result(settled)

    def _recover(self) -> None:
        """Send again, one by one, what a dead actor held."""
        with self._changed:
            lost, self._lost = list(self._lost), deque()
        log.warning("the actor of %s died; %d frames are sent again", self._link.lower, len(lost))
        for job in lost:
            self._resolve([job], [self._again(job)])

    def _again(self, job: _Job) -> Settled:
        assert isinstance(job.item, wire.WireFrame)
        item = job.item._replace(settle=True)  # its order to settle may have died with the actor
        for _ in range(ATTEMPTS - 1):
            if not self._revived():
                return Settled(failed(f"the actor of {self._link.lower} died and did not come back"))
            try:
                answers: list[Settled] = ray.get(self._actor.handle.remote(self._caller, 0, [item]))
            except RayActorError:
                continue
            self._number = 1
            return answers[0]
        return Settled(failed(f"the actor of {self._link.lower} died on this frame {ATTEMPTS} times"))

    def _revived(self) -> bool:
        """Wait until the actor runs again; what it takes from us is counted anew."""
        self._caller, self._number = uuid.uuid4().hex, 0
        deadline = time.monotonic() + REVIVE_S
        while time.monotonic() < deadline:
            try:
                ray.get(self._actor.ready.remote(), timeout=REVIVE_S)
                return True
            except (RayActorError, GetTimeoutError):
                time.sleep(0.1)
        return False


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]
