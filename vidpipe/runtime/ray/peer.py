"""The actor that a link leads to, through all its deaths: what it has to be told, and calls in order."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayActorError, RayError

from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.links.job import Answers, Command, Job, Message, Order
from vidpipe.runtime.links.link import PeerLink
from vidpipe.runtime.links.peer import SilentError, one_line, with_commands
from vidpipe.runtime.links.shared_memory import SharedMemoryPool
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.worker import Settings

LOOK_EVERY_S = 0.5  # between two tries to reach an actor that is away


class StrangerError(Exception):
    """A call came to an instance that does not know its caller: it was meant for the one that died."""


GONE = (RayActorError, StrangerError, SilentError)  # what becomes of a call whose actor has died


class ActorPeer:
    """The `Peer` that is an actor.

    Args:
        pool: memory for the pictures, if the actor can map it.
    """

    def __init__(self, actor: Any, pool: SharedMemoryPool | None) -> None:
        self._actor = actor
        self.kind = "actor"
        self.gone: tuple[type[BaseException], ...] = GONE
        self.pool = pool
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, bytes]] = {}
        self._untold: set[str] = set()  # streams that have begun since the actor was met
        self._goes_by: dict[str, Settings] = {}  # what it was told, by stream
        self._caller = ""
        self._number = 0
        self._ping: Future[None] | None = None
        self._pinged_at = 0.0
        self.maps_memory = False
        self.cut = ""  # of an actor that cannot be reached nobody knows at once
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
            try:
                self._introduce(None if timeout_s is None else left_s)
            except TimeoutError:
                self.why_away = "no answer"
            except RayError as error:
                self.why_away = one_line(error)
                time.sleep(LOOK_EVERY_S)
            else:
                return True
        return False

    def tell(self) -> None:
        with self._lock:
            states = {stream: dict(self._states[stream]) for stream in self._untold}
            self._untold.clear()
        if states:
            self._actor.restore.remote(states).future().result()

    def call(self, entries: Sequence[Job | Order]) -> Future[Answers]:
        caller, number = self._caller, self._number
        goes_by = dict(self._goes_by)
        messages: list[Message] = [
            entry if isinstance(entry, Command) else entry.message(by_slot=self.maps_memory)
            for entry in with_commands(entries, goes_by)
        ]
        answers: Future[Answers] = self._actor.handle.remote(caller, number, messages).future()
        self._goes_by = goes_by
        self._number += 1
        answers.add_done_callback(lambda done: self._mind_turn(caller, number, done.exception()))
        return answers

    def shadow(self, item: PackedFrame, asks: Sequence[ShadowAsk]) -> Future[Sequence[Reply]]:
        replies: Future[Sequence[Reply]] = self._actor.shadow.remote(item, asks).future()
        return replies

    def is_silent(self, for_s: float) -> bool:
        # A call to an actor that cannot be started again, as its machine is gone, waits for ever and raises nothing.
        if self._ping is None or self._ping.done():
            self._ping, self._pinged_at = self._actor.ready.remote().future(), time.monotonic()
        return time.monotonic() - self._pinged_at > for_s

    def _introduce(self, timeout_s: float | None) -> None:
        self._actor.ready.remote().future().result(timeout_s)
        caller = uuid.uuid4().hex
        address = self.pool.address if self.pool is not None else None
        self.maps_memory = self._actor.greet.remote(caller, address).future().result(timeout_s)
        with self._lock:
            states = {stream: dict(kept) for stream, kept in self._states.items()}
            self._untold.clear()
        if states:
            self._actor.restore.remote(states).future().result(timeout_s)
        self._caller, self._number, self._goes_by = caller, 0, {}

    def _mind_turn(self, caller: str, number: int, error: BaseException | None) -> None:
        """A call that did not even begin, as its message could not be read, must not hold up those behind it."""
        if error is not None and not isinstance(error, GONE):
            self._goes_by = {}  # nor was it told what was to come with it
            threading.Thread(target=lambda: self._actor.skip.remote(caller, number), daemon=True).start()


def link_to(
    actor: Any,
    link: Link,
    weights: Mapping[str, float] | None = None,
    settings: Callable[[str], Settings] = lambda _: Settings(),
) -> PeerLink:
    """The link to an actor; arguments as of `PeerLink`."""
    return PeerLink(link, ActorPeer(actor, shared_memory(link.spec)), weights, settings)


def shared_memory(spec: LinkSpec) -> SharedMemoryPool | None:
    """Memory for as much as may be under way; None where the system cannot share it (it is no Linux), or must not.

    With a link made slower on purpose, or another machine behind it, pictures travel in the message.
    """
    if spec.codec != "raw" or spec.shaper is not None or not hasattr(os, "memfd_create"):
        return None
    return SharedMemoryPool(int(spec.credit_mb * 1.25e6) + 4096)
