"""The two kinds of actors: a segment below the device, and a device with its streams.

Plain classes, so that they can be run without Ray. Their methods only enqueue, or wait for what their threads do.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

import ray

from vidpipe.cascade import Settled
from vidpipe.engine import wire
from vidpipe.engine.heads import Heads
from vidpipe.engine.host import Counts, Host, Position
from vidpipe.engine.plan import Plan
from vidpipe.engine.ray.arena import Address, ArenaView
from vidpipe.engine.ray.job import Message, SettleOrder
from vidpipe.engine.ray.link import RayLink
from vidpipe.engine.ray.peer import StrangerError
from vidpipe.engine.ray.warnings import Latest, kept
from vidpipe.engine.records import Batch
from vidpipe.errors import SourceError
from vidpipe.sources.base import StreamInfo


def pack_arguments(*arguments: Any) -> bytes:
    """Constructor arguments as plain bytes: Ray would keep handles among them in the object store, which a restart of
    the actor may find empty.
    """
    return bytes(ray.cloudpickle.dumps(arguments))


def unpack_arguments(packed: bytes) -> Any:
    """What `pack_arguments` packed."""
    return ray.cloudpickle.loads(packed)


TURN_S = 300.0  # how long a call waits for the one before it; its sender is gone when it never comes


class Word(NamedTuple):
    """What an actor says of itself now and then.

    Attributes:
        instance: another one after each death.
        cpu_s: CPU seconds since it began.
        away: links at whose other end nobody is, and why.
        warnings: what was logged there.
    """

    instance: str
    counts: Counts
    cpu_s: float
    away: Mapping[str, str]
    warnings: Latest


class _Actor:
    """What both kinds have: what the process opens, and the link to the next segment's actor, if there is one."""

    def __init__(self, plan: Plan, index: int, lower: Any) -> None:
        self._warnings = kept()
        self._instance = uuid.uuid4().hex
        self._host = Host(plan, ray.cloudpickle.dumps)
        self._link = RayLink(plan.links[index], lower, self._host.weights) if lower is not None else None

    def update(self, packed: bytes) -> None:
        """Know other streams from now on: of a packed pipeline."""
        (pipeline,) = unpack_arguments(packed)
        self._host.update(pipeline)
        if self._link is not None:
            self._link.update(packed)

    def word(self) -> Word:
        """What it has counted, and how its link fares."""
        link = self._link
        counts = self._host.counts({link.name: (link.frames, link.bytes)} if link else {})
        away = {link.name: link.away} if link and link.away else {}
        return Word(self._instance, counts, time.process_time(), away, self._warnings.latest())


class SegmentActor(_Actor):
    """The stages of one segment below the device, in one thread.

    Args:
        packed: plan, index of the segment, and the actor of the next one or None.
    """

    def __init__(self, packed: bytes) -> None:
        plan, index, lower = unpack_arguments(packed)
        super().__init__(plan, index, lower)
        self._tail = self._host.tail(index, self._link)
        self._opened = self._tail.start()
        self._turns = _Turns()
        self._arenas: dict[str, ArenaView] = {}
        self._known: set[str] = set()  # streams of which this instance has kept something
        self._unsettled: dict[tuple[str, int], Future[Settled]] = {}

    def ready(self) -> None:
        """Returns once the stages are open; raises what kept them from opening."""
        self._opened.result()

    def greet(self, caller: str, address: Address | None) -> bool:
        """Know a caller from now on, and map the memory in which its pictures will lie; whether that is possible."""
        self._turns.begin(caller)
        if address is None:
            return False
        try:
            self._arenas[caller] = ArenaView(address)
        except OSError:
            return False
        return True

    def restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take up, before any frame that comes later, what an earlier instance kept; by stream and stage id.

        What this one keeps of a stream itself is newer, and stays.
        """
        fresh = {stream: kept for stream, kept in states.items() if stream not in self._known}
        self._known.update(fresh)
        if self._link is not None:
            self._link.restore(fresh)
        self._tail.restore(fresh)

    def handle(self, caller: str, number: int, messages: Sequence[Message]) -> dict[tuple[str, int], Settled]:
        """Take a batch; the answers, by stream and number, of its frames and orders that may be settled.

        Calls of one caller are taken in order of their number, from 0.

        Raises:
            StrangerError: the call was meant for an earlier instance.
        """
        self._opened.result()
        with self._turns.wait(caller, number):
            results = dict(filter(None, [self._enter(caller, message) for message in messages]))
        return {frame: result.result() for frame, result in results.items()}

    def skip(self, caller: str, number: int) -> None:
        """Wait no longer for this call: it came, but could not be read."""
        self._turns.skip(caller, number)

    def _enter(self, caller: str, message: Message) -> tuple[tuple[str, int], Future[Settled]] | None:
        if isinstance(message, SettleOrder):
            self._tail.settle(message.stream, message.seq)
            return message, self._unsettled.pop(message)
        if isinstance(message, wire.WireFrame):
            item = message
        else:
            item = message[0].with_pixels(self._arenas[caller].view(message[1]))
        self._known.add(item.stream)
        ticket = wire.unpack(item, self._host.knobs, self._host.views)
        result = self._tail.ask(ticket, settle=item.settle).settled
        if item.settle:
            return (item.stream, item.seq), result
        self._unsettled[item.stream, item.seq] = result
        return None


class DeviceActor(_Actor):
    """Streams, each in a thread with its source and its own stages, and the thread of what they share on the device.

    Args:
        packed: plan, taps, and the actor of the next segment or None.
    """

    def __init__(self, packed: bytes) -> None:
        plan, taps, lower = unpack_arguments(packed)
        super().__init__(plan, 0, lower)
        self._tail = self._host.tail(0, self._link) if plan.segments[0].tail else None
        self._opened: Future[Any] | None = self._tail.start() if self._tail else None
        self._heads = Heads(self._host, self._tail or self._link, taps)
        self._is_open = False

    def open(self, positions: Mapping[str, Position]) -> list[StreamInfo | SourceError]:
        """Open these streams, each where it stands; raises what kept one from opening, unless it is a live one."""
        self._prepare(positions)
        self._is_open = True
        return self._heads.open(positions)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        self._heads.stop(streams)

    def add(self, positions: Mapping[str, Position]) -> bool:
        """Begin these streams, each where it stands, while others go on; not in an instance that has yet to be opened.

        Ray may hand such a one what was meant for the one that died.
        """
        if self._is_open:
            self._prepare(positions)
            self._heads.add(positions)
        return self._is_open

    def _prepare(self, positions: Mapping[str, Position]) -> None:
        """Have the shared stages open, and know what they kept of these streams."""
        if self._opened is not None:
            self._opened.result()
        states = {stream: position.states for stream, position in positions.items() if position.states}
        if self._link is not None:
            self._link.restore(states)
        if self._tail is not None:
            self._tail.restore(states)

    def start(self) -> None:
        self._heads.start()

    def take(self, timeout_s: float) -> Batch:
        return self._heads.take(timeout_s)

    def stop(self) -> None:
        self._heads.stop()
        if self._link is not None:
            self._link.stop()


class _Turns:
    """Lets the calls of each caller in by their numbers: Ray starts the calls of a threaded actor in any order."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._skipped: set[tuple[str, int]] = set()
        self._changed = threading.Condition()

    def begin(self, caller: str) -> None:
        """Let this caller in; nobody comes in without."""
        with self._changed:
            self._next[caller] = 0

    @contextmanager
    def wait(self, caller: str, number: int) -> Iterator[None]:
        with self._changed:
            if caller not in self._next:
                raise StrangerError(caller)
            if not self._changed.wait_for(lambda: self._next[caller] == number, TURN_S):
                raise TimeoutError(f"call {number} came, but not the one before it")
        try:
            yield
        finally:
            self.skip(caller, number)

    def skip(self, caller: str, number: int) -> None:
        """This call has had its turn, or will not take it."""
        with self._changed:
            if number >= self._next.get(caller, 0):
                self._skipped.add((caller, number))
            while (turn := (caller, self._next.get(caller, -1))) in self._skipped:
                self._skipped.discard(turn)
                self._next[caller] += 1
            self._changed.notify_all()
