"""The actor that a link leads to, through all its deaths: what it has to be told, and calls in order."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from ray.exceptions import RayActorError, RayError

from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.links.job import Command, Handled, Job, Message, Order
from vidpipe.runtime.links.link import PeerLink
from vidpipe.runtime.links.peer import SilentError, one_line, with_commands
from vidpipe.runtime.links.presence import Presence
from vidpipe.runtime.links.shared_memory import SharedMemoryPool
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.transport.packing import Heads
from vidpipe.runtime.worker import Settings

SILENT_S = 2.0  # without an answer to a ping
LOOK_EVERY_S = 1.0  # whether its standby is there by now, while an actor is waited for


class StrangerError(Exception):
    """A call came to an instance that does not know its caller: it was meant for the one that died."""


GONE = (RayActorError, StrangerError, SilentError)  # what becomes of a call whose actor has died


class ActorPeer:
    """The `Peer` that is an actor, or its standby.

    Args:
        pool: memory for the pictures, if the actor can map it.
        presence: whether the link is in use, and when it is tried again.
        standby: finds the actor that takes the other's place while that is away, if there is one.
    """

    def __init__(
        self,
        actor: Any,
        pool: SharedMemoryPool | None,
        presence: Presence,
        standby: Callable[[], Any | None] = lambda: None,
    ) -> None:
        self._actor = self._usual = actor
        self._standby = standby
        self.kind = "actor"
        self.gone: tuple[type[BaseException], ...] = GONE
        self.pool = pool
        self.presence = presence
        self.silent_s = SILENT_S
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, bytes]] = {}
        self._untold: set[str] = set()  # streams that have begun since the actor was met
        self._goes_by: dict[str, Settings] = {}  # what it was told, by stream
        self._caller = ""
        self._number = 0
        self._ping: Future[None] | None = None
        self._probes: dict[str, Future[None]] = {}  # out while it is sought, by actor
        self._pinged_at = 0.0
        self.maps_memory = False
        self.why_away = ""

    def remember(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        with self._lock:
            for stream, kept in states.items():
                self._states.setdefault(stream, {}).update(kept)

    def begin(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        self.remember(states)
        with self._lock:
            self._untold.update(states)

    def meet(self, timeout_s: float | None) -> bool:
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            self.presence.wait(left_s)
            try:
                self._introduce(deadline)
            except TimeoutError:
                self._missed("no answer")
            except RayError as error:
                self._missed(one_line(error))
            else:
                self.presence.met()
                return True
        return False

    def _missed(self, why: str) -> None:
        self.why_away = why
        self.presence.missed(why)

    def tell(self) -> None:
        with self._lock:
            states = {stream: dict(self._states[stream]) for stream in self._untold}
            self._untold.clear()
        if states:
            self._actor.restore.remote(states).future().result()

    def call(self, entries: Sequence[Job | Order]) -> Future[Handled]:
        caller, number = self._caller, self._number
        goes_by = dict(self._goes_by)
        messages: list[Message] = [
            entry if isinstance(entry, Command) else entry.message(by_slot=self.maps_memory)
            for entry in with_commands(entries, goes_by)
        ]
        actor = self._actor
        handled: Future[Handled] = actor.handle.remote(caller, number, messages).future()
        self._goes_by = goes_by
        self._number += 1
        handled.add_done_callback(lambda done: self._mind_turn(actor, caller, number, done.exception()))
        return handled

    def shadow(self, item: PackedFrame, asks: Sequence[ShadowAsk]) -> Future[Sequence[Reply]]:
        replies: Future[Sequence[Reply]] = self._actor.shadow.remote(item, asks).future()
        return replies

    def is_silent(self, for_s: float) -> bool:
        # A call to an actor that cannot be started again, as its machine is gone, waits for ever and raises nothing.
        if self._ping is None or self._ping.done():
            self._ping, self._pinged_at = self._actor.ready.remote().future(), time.monotonic()
        return time.monotonic() - self._pinged_at > for_s

    def _introduce(self, deadline: float) -> None:
        actor = self._first_ready(deadline)
        caller = uuid.uuid4().hex
        address = self.pool.address if self.pool is not None else None
        self.maps_memory = actor.greet.remote(caller, address).future().result(_left_s(deadline))
        with self._lock:
            states = {stream: dict(kept) for stream, kept in self._states.items()}
            self._untold.clear()
        if states:
            actor.restore.remote(states).future().result(_left_s(deadline))
        self._actor, self._ping = actor, None
        self._caller, self._number, self._goes_by = caller, 0, {}

    def _first_ready(self, deadline: float) -> Any:
        """Which of the two is there; raises what keeps one from it, and TimeoutError."""
        while True:
            probes = self._probe()
            left_s = _left_s(deadline)
            wait(
                [probe for _, probe in probes],
                LOOK_EVERY_S if left_s is None else min(LOOK_EVERY_S, left_s),
                FIRST_COMPLETED,
            )
            for actor, probe in probes:
                if probe.done() and probe.exception() is None:
                    return actor
            for _, probe in probes:
                if probe.done():
                    probe.result()
            if left_s == 0:
                raise TimeoutError
            self.presence.silent()

    def _probe(self) -> Sequence[tuple[Any, Future[None]]]:
        """Each of the two with a call that it has still to answer; none is called twice at a time."""
        standby = self._standby()
        actors = [self._usual] if standby is None else [self._usual, standby]
        out = {id: probe for id, probe in self._probes.items() if not probe.done()}
        ids = [str(actor) for actor in actors]
        self._probes = {id: out.get(id) or actor.ready.remote().future() for id, actor in zip(ids, actors, strict=True)}
        return [(actor, self._probes[id]) for id, actor in zip(ids, actors, strict=True)]

    def _mind_turn(self, actor: Any, caller: str, number: int, error: BaseException | None) -> None:
        """A call that did not even begin, as its message could not be read, must not hold up those behind it."""
        if error is not None and not isinstance(error, GONE):
            self._goes_by = {}  # nor was it told what was to come with it
            threading.Thread(target=lambda: actor.skip.remote(caller, number), daemon=True).start()


def _left_s(deadline: float) -> float | None:
    """Until then; None: as long as it takes."""
    return None if deadline == float("inf") else max(0.0, deadline - time.monotonic())


def link_to(
    actor: Any,
    link: Link,
    weights: Mapping[str, float] | None = None,
    settings: Callable[[str], Settings] = lambda _: Settings(),
    standby: Callable[[], Any | None] = lambda: None,
    heads: Heads | None = None,
) -> PeerLink:
    """The link to an actor; arguments as of `PeerLink` and `ActorPeer`."""
    peer = ActorPeer(actor, shared_memory(link.spec), Presence(link.end), standby)
    return PeerLink(link, peer, weights, settings, heads)


def shared_memory(spec: LinkSpec) -> SharedMemoryPool | None:
    """Memory for as much as may be under way; None where the system cannot share it (it is no Linux), or must not.

    With a link made slower on purpose, or another machine behind it, pictures travel in the message.
    """
    if spec.codec != "raw" or spec.shaper is not None or not hasattr(os, "memfd_create"):
        return None
    return SharedMemoryPool(int(spec.credit_mb * 1.25e6) + 4096)
