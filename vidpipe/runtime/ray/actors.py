"""The two kinds of actors: a segment below the device, and a device with its streams.

Plain classes, so that they can be run without Ray. Their methods only enqueue, or wait for what their threads do.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import ray

from vidpipe.cascade.cascade import Away, Completed
from vidpipe.core.errors import SourceError
from vidpipe.core.names import references
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.pipeline.plan import Plan
from vidpipe.results.machinery import Load, LoadMeter
from vidpipe.results.records import Batch, Counts, Position
from vidpipe.results.usage import own_cpu_s
from vidpipe.runtime.inline import Stack
from vidpipe.runtime.leaves import stays
from vidpipe.runtime.links.job import Handled, Message
from vidpipe.runtime.links.link import PeerLink
from vidpipe.runtime.links.receiver import Receiver
from vidpipe.runtime.links.shared_memory import Address, SharedMemoryView
from vidpipe.runtime.ray.likeness import Hashes, check_models
from vidpipe.runtime.ray.packing import unpack_arguments
from vidpipe.runtime.ray.peer import StrangerError, link_to
from vidpipe.runtime.ray.pools import Pools
from vidpipe.runtime.ray.warnings import Latest, kept
from vidpipe.runtime.remote.link import way_out
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.sharing import QueryShare
from vidpipe.runtime.stream_pool import StreamPool
from vidpipe.runtime.transport import codec
from vidpipe.runtime.worker import WorkerRuntime
from vidpipe.sources.base import StreamInfo

SERVER_S = 1.0  # for a server to say what it has counted
TURN_S = 300.0  # how long a call waits for the one before it; its sender is gone when it never comes


class Word(NamedTuple):
    """What an actor says of itself now and then.

    Attributes:
        instance: another one after each death.
        cpu_s: CPU seconds since it began.
        away: by name, who below it is away.
        warnings: what was logged there.
        node: of Ray, on which it stands.
        load: of that machine, and of the actor's process; None: nobody has looked.
    """

    instance: str
    counts: Counts
    cpu_s: float
    away: Mapping[str, Away]
    warnings: Latest
    node: str = ""
    load: Load | None = None


class _Actor:
    """What both kinds have: their segments, and the link to the next segment's actor, if there is one.

    Args:
        standby: name of that actor's standby; "": it has none.
        share: what its run has in common with other queries that stand in this process; None: it is alone.
    """

    def __init__(
        self, plan: Plan, segments: range, lower: Any, standby: str = "", *, share: QueryShare | None = None
    ) -> None:
        self._warnings = kept()
        self._instance = uuid.uuid4().hex
        self._load = LoadMeter()
        self._node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        self._placed = [stage for index in segments for stage in plan.segments[index].stages]
        tiers = {plan.segments[index].tier for index in segments}
        tier = plan.pipeline.tiers.get(next(iter(tiers)))
        # On one machine an actor may have several tiers, and one library for all.
        self._pools = Pools(tier.gpus, self._weight) if tier and tier.pool and len(tiers) == 1 else None
        opens = self._pools.open if self._pools is not None else NetworkFile.open
        self._runtime = WorkerRuntime(plan, ray.cloudpickle.dumps, opens=opens, share=share)
        runtime, end = self._runtime, segments[-1]
        self._server = way_out(plan, runtime) if end + 1 == plan.here else None
        self._link: PeerLink | None = self._server
        if lower is not None:
            link, heads = plan.links[end], runtime.library.head
            self._link = link_to(lower, link, runtime.weights, runtime.settings, partial(_named, standby), heads)
        self._stack = Stack(plan, segments, self._link, self._runtime)
        self._opened = [*self._stack.start(), *([self._server.start()] if self._server else [])]

    def prepare(self, packed: bytes) -> None:
        """Load what settings of the stages that stand here need: packed, by stage id."""
        (configs,) = unpack_arguments(packed)
        self._runtime.prepare(configs)
        if self._server is not None:
            self._server.prepare(configs)

    def _restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Have the stages that stand here, and those below, take up what they kept of these streams."""
        if self._link is not None:
            self._link.restore(states)
        self._stack.restore(states)

    def check(self, driver: Hashes) -> None:
        """Raises ConfigError where a model of the stages here is in other files than on the machine that drives."""
        pipeline = self._runtime.plan.pipeline
        names = {name for stage in self._placed for _, name in references(stage.config, "model")}
        check_models(pipeline, names, driver)

    def clock(self) -> tuple[str, float]:
        """The name of this machine, and its time in UTC seconds."""
        return socket.gethostname(), time.time()

    def word(self, fresh: bool = False) -> Word:
        """What it has counted, and how its link fares.

        Args:
            fresh: wait a moment for what a server has counted up to now; else it is what that has told last. Who is
                asked every second must not wait: an actor that does not say its word counts as one that hangs.
        """
        link = self._link
        own = link.counts() if link else {}
        away = link.absent if link else {}
        counts = self._runtime.counts(self._stack.counts() | own)
        if self._server is not None:
            counts += self._server.server_counts(fresh=fresh, within_s=SERVER_S)
        said = counts, self._cpu_s(), away, self._warnings.latest()
        return Word(self._instance, *said, self._node, self._load.look())

    def _close(self, until: float) -> None:
        """Close the shared stages, once what waits has been done, until this time of the monotonic clock."""
        self._stack.close(until)
        if self._pools is not None:
            self._pools.close()
        if self._server is not None:
            self._server.close()
        self._runtime.close()

    def _cpu_s(self) -> float:
        pools = self._pools.cpu_s if self._pools is not None else 0.0
        return own_cpu_s() + self._runtime.shadows.cpu_s + pools

    def _weight(self) -> float:
        """Of the run against others: that of all its streams."""
        return sum(stream.spec.weight for stream in self._runtime.plan.pipeline.streams.values())

    def _await_open(self) -> None:
        """Returns once the shared stages are open; raises what kept them from opening."""
        for segment in self._opened:
            segment.result()


class SegmentActor(_Actor):
    """Segments below the device, each in one thread.

    Args:
        packed: plan, indices of the segments, and the actor of the next one or None; with the name of its standby.
        share: as of `_Actor`.
    """

    def __init__(self, packed: bytes, share: QueryShare | None = None) -> None:
        super().__init__(*unpack_arguments(packed), share=share)
        assert self._stack.top is not None
        self._receiver = Receiver(self._runtime, self._stack.top, self._restore)
        self._turns = _Turns()
        self._shared_memories: dict[str, SharedMemoryView] = {}

    def ready(self) -> None:
        """Returns once the stages are open; raises what kept them from opening."""
        self._await_open()

    def greet(self, caller: str, address: Address | None) -> bool:
        """Know a caller from now on, and map the memory in which its pictures will lie; whether that is possible."""
        self._turns.begin(caller)
        if address is None:
            return False
        try:
            self._shared_memories[caller] = SharedMemoryView(address)
        except OSError:
            return False
        return True

    def restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """See `Receiver.restore`."""
        self._receiver.restore(states)

    def handle(self, caller: str, number: int, messages: Sequence[Message]) -> Handled:
        """Take a batch; the answers, by stream and number, of its frames and orders that may be completed.

        Calls of one caller are taken in order of their number, from 0.

        Raises:
            StrangerError: the call was meant for an earlier instance.
        """
        came_at = time.monotonic()
        self._await_open()
        with self._turns.wait(caller, number):
            results = dict(filter(None, [self._enter(caller, message) for message in messages]))
        answers = {frame: result.result() for frame, result in results.items()}
        return Handled(answers, time.monotonic() - came_at)

    def shadow(self, item: codec.PackedFrame, asks: Sequence[ShadowAsk]) -> list[Reply]:
        """See `Receiver.shadow`."""
        return [reply.result() for reply in self._receiver.shadow(item, asks)]

    def skip(self, caller: str, number: int) -> None:
        """Wait no longer for this call: it came, but could not be read."""
        self._turns.skip(caller, number)

    def close(self, patience_s: float) -> None:
        """Close the stages, once what waits has been done."""
        self._close(time.monotonic() + patience_s)

    def _enter(self, caller: str, message: Message) -> tuple[tuple[str, int], Future[Completed]] | None:
        if isinstance(message, tuple) and isinstance(message[0], codec.PackedFrame):
            item, slot = message
            message = item.with_pixels(self._shared_memories[caller].view(slot))
        return self._receiver.take(message)


class DeviceActor(_Actor):
    """Streams, each in a thread with its source and its own stages, and the threads of what they share here.

    Args:
        packed: frame sinks, whether the run is driven from another machine, perhaps, and what a `SegmentActor` has.
        share: as of `_Actor`.
    """

    def __init__(self, packed: bytes, share: QueryShare | None = None) -> None:
        frame_sinks, self._apart, plan, *rest = unpack_arguments(packed)
        super().__init__(plan, *rest, share=share)
        self._stream_pool = StreamPool(self._runtime, self._stack.top, frame_sinks, plan.at_once)
        self._is_open = False

    def open(self, positions: Mapping[str, Position]) -> list[StreamInfo | SourceError]:
        """Open these streams, each where it stands; raises what kept one from opening, unless it is a live one."""
        self._prepare(positions)
        self._is_open = True
        return self._stream_pool.open(positions, threading.Event())

    def update(self, packed: bytes) -> None:
        """Go by other settings, and know other streams, from now on: of a packed pipeline."""
        (pipeline,) = unpack_arguments(packed)
        self._runtime.update(pipeline)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        self._stream_pool.stop(streams)

    def add(self, positions: Mapping[str, Position]) -> bool:
        """Begin these streams, each where it stands, while others go on; not in an instance that has yet to be opened.

        Ray may hand such a one what was meant for the one that died.
        """
        if self._is_open:
            self._prepare(positions)
            self._stream_pool.add(positions)
        return self._is_open

    def _prepare(self, positions: Mapping[str, Position]) -> None:
        """Have the shared stages open, and know what they kept of these streams."""
        self._await_open()
        self._restore({stream: position.states for stream, position in positions.items() if position.states})

    def start(self) -> None:
        self._stream_pool.start()

    def ask(self, packed: bytes) -> None:
        """Have these asked of a stream's next picture, in the shadow of its own answer: packed, with its name."""
        self._stream_pool.ask(*unpack_arguments(packed))

    def take(self, timeout_s: float, hold: bool = False) -> Batch:
        batch = self._stream_pool.take(timeout_s, hold=hold)
        if self._apart and batch.snapshots:  # one may hold the learnt scene, which is a picture
            plan = self._runtime.plan  # a stream that is removed leaves it before its last answers do
            leave = {stream for stream in plan.pipeline.streams if not stays(plan, stream)}
            batch.snapshots = [each for each in batch.snapshots if each.stream in leave]
        return batch

    def stop(self) -> None:
        self._stream_pool.stop()
        if self._link is not None:
            self._link.stop()

    def close(self, patience_s: float) -> None:
        """End all streams and close their stages, and then the shared ones."""
        until = time.monotonic() + patience_s
        self._stream_pool.close(until)
        self._close(until)


def _named(standby: str) -> Any | None:
    """The actor of that name; None while there is none."""
    try:
        return ray.get_actor(standby) if standby else None
    except ValueError:
        return None


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
