"""Shadow asks on a link, those of reachback among them: they leave when nothing else waits to be sent, and take no
credit."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Frame
from vidpipe.pipeline.plan import Link
from vidpipe.results.carried import Carried
from vidpipe.runtime.links.peer import Peer, one_line
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell, refuse
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.packing import packed_shadow

BACK_S = 60.0  # longest that a frame of reachback waits to be sent: who asked has given it up by then


class ShadowJob(NamedTuple):
    """A frame of which nobody waits to hear, and the variants that are asked of it; `since`: when it came."""

    item: codec.PackedFrame
    asks: Sequence[ShadowAsk]
    tell: Tell
    since: float


class ShadowLane:
    """What waits to be sent, and what became of it. Each job is sent once: who asked may ask again."""

    def __init__(self, link: Link, peer: Peer, clock: Clock = REAL) -> None:
        self._clock = clock
        self._link = link
        self._peer = peer
        self._waiting: deque[ShadowJob] = deque()
        self._frames = 0
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        """Have a frame wait, as the link's codec packs it."""
        try:
            item = packed_shadow(frame, self._link, [(ask.stage, ask.config) for ask in asks])
        except Exception as error:
            refuse(asks, tell, f"{self._link.name}: {one_line(error)}")
        else:
            self._waiting.append(ShadowJob(item, asks, tell, self._clock.monotonic()))

    def take(self) -> ShadowJob | None:
        """The next one; None: none is left, as those of reachback that have waited for too long are refused."""
        while self._waiting:
            job = self._waiting.popleft()
            if self._clock.monotonic() - job.since <= BACK_S or not all(ask.back for ask in job.asks):
                self._frames += 1
                self._bytes += job.item.nbytes
                return job
            refuse(job.asks, job.tell, f"{self._link.name}: frames that somebody waits for leave no room")
        return None

    def call(self, job: ShadowJob) -> None:
        """Ask, and tell what comes of it."""
        try:
            replies = self._peer.shadow(job.item, job.asks)
        except Exception as error:
            self._fail(job, error)
        else:
            replies.add_done_callback(partial(self._replied, job))

    def counts(self) -> dict[str, Carried]:
        """Frames and bytes that were sent, by name; empty where there were none."""
        return {f"{self._link.name} (shadow)": Carried(self._frames, self._bytes)} if self._frames else {}

    def fail_all(self, reason: str) -> None:
        """Nobody is there to ask."""
        while self._waiting:
            job = self._waiting.popleft()
            refuse(job.asks, job.tell, reason)

    def _replied(self, job: ShadowJob, done: Future[Sequence[Reply]]) -> None:
        if error := done.exception():
            self._fail(job, error)
            return
        for ask, reply in zip(job.asks, done.result(), strict=True):
            job.tell(ask, reply)

    def _fail(self, job: ShadowJob, error: BaseException) -> None:
        refuse(job.asks, job.tell, f"{self._link.lower}: {one_line(error)}")
