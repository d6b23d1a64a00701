"""The actor that a link leads to, through all its deaths: what it has to be told, and calls in order."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayActorError, RayError

from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.ray.job import Command, Handled, Job, Message, Order
from vidpipe.runtime.ray.shared_memory import SharedMemoryPool
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.worker import Settings

LOOK_EVERY_S = 0.5  # between two tries to reach an actor that is away


class StrangerError(Exception):
    """A call came to an instance that does not know its caller: it was meant for the one that died."""


class SilentError(Exception):
    """An actor has not said a word for so long that nobody waits for its answer any more."""


GONE = (RayActorError, StrangerError, SilentError)  # what becomes of a call whose actor has died


class Peer:
    """Reaches one actor. A new instance is told what the one before it knew, once, before any frame.

    Args:
        pool: memory for the pictures, if the actor can map it.
    """

    def __init__(self, actor: Any, pool: SharedMemoryPool | None) -> None:
        self._actor = actor
        self._shared_memory = pool
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, bytes]] = {}
        self._untold: set[str] = set()  # streams that have begun since the actor was met
        self._goes_by: dict[str, Settings] = {}  # what it was told, by stream
        self._caller = ""
        self._number = 0
        self._ping: Future[None] | None = None
        self._pinged_at = 0.0
        self.maps_memory = False
        self.why_away = ""  # what kept it from being met the last time

    def remember(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Hold what stages below keep, by stream and stage id, for an instance that knows nothing of these streams."""
        with self._lock:
            for stream, kept in states.items():
                self._states.setdefault(stream, {}).update(kept)

    def begin(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """The same for streams that begin now: the instance that is there may not know them either."""
        self.remember(states)
        with self._lock:
            self._untold.update(states)

    def meet(self, timeout_s: float | None) -> bool:
        """Wait until an instance is there, and tell it all; whether one came in time (None: however long it takes)."""
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
        """Tell the actor of streams that have begun since it was met; raises one of `GONE` where it has died."""
        with self._lock:
            states = {stream: dict(self._states[stream]) for stream in self._untold}
            self._untold.clear()
        if states:
            self._actor.restore.remote(states).future().result()

    def call(self, entries: Sequence[Job | Order]) -> Future[Handled]:
        """Hand over a batch, behind those of earlier calls; raises what keeps a message from being sent.

        What the actor has to go by for a stream goes before the first frame that it is for.
        """
        caller, number = self._caller, self._number
        goes_by, messages = dict(self._goes_by), list[Message]()
        for entry in entries:
            if isinstance(entry, Job) and not _same(goes_by.get(entry.item.stream), entry.settings):
                goes_by[entry.item.stream] = entry.settings
                messages.append(Command(entry.item.stream, entry.settings))
            messages.append(entry.message(by_slot=self.maps_memory))
        handled: Future[Handled] = self._actor.handle.remote(caller, number, messages).future()
        self._goes_by = goes_by
        self._number += 1
        handled.add_done_callback(lambda done: self._mind_turn(caller, number, done.exception()))
        return handled

    def shadow(self, item: PackedFrame, asks: Sequence[ShadowAsk]) -> Future[Sequence[Reply]]:
        """Have shadow asks answered, in any order with frames; raises what keeps the call from being sent."""
        replies: Future[Sequence[Reply]] = self._actor.shadow.remote(item, asks).future()
        return replies

    def is_silent(self, for_s: float) -> bool:
        """Whether it has said nothing for so long; to be asked now and then while a call is out.

        A call to an actor that cannot be started again, as its machine is gone, waits for ever and raises nothing.
        """
        if self._ping is None or self._ping.done():
            self._ping, self._pinged_at = self._actor.ready.remote().future(), time.monotonic()
        return time.monotonic() - self._pinged_at > for_s

    def _introduce(self, timeout_s: float | None) -> None:
        self._actor.ready.remote().future().result(timeout_s)
        caller = uuid.uuid4().hex
        address = self._shared_memory.address if self._shared_memory is not None else None
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


def _same(told: Settings | None, settings: Settings) -> bool:
    """Whether all parts are the same objects: settings may hold what cannot be compared, and parts stay until changed.

    The number of their epoch is not enough: a stream that begins anew with other settings has the number that it had.
    """
    return told is not None and all(before is now for before, now in zip(told, settings, strict=True))


def shared_memory(spec: LinkSpec) -> SharedMemoryPool | None:
    """Memory for as much as may be under way; None where the system cannot share it (it is no Linux), or must not.

    With a link made slower on purpose, or another machine behind it, pictures travel in the message.
    """
    if spec.codec != "raw" or spec.shaper is not None or not hasattr(os, "memfd_create"):
        return None
    return SharedMemoryPool(int(spec.credit_mb * 1.25e6) + 4096)


def one_line(error: BaseException) -> str:
    """What went wrong, as a user can read it: of an error that Ray brought, the one behind it."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]
