"""The networks that an actor does not load itself: it asks the detector pools of its machine."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import vidpipe
from vidpipe.core.errors import ModelError, VidpipeError
from vidpipe.core.frame import Image
from vidpipe.models.meter import add_elsewhere
from vidpipe.models.runtimes import Output, Pixels
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.models.stores.paths import with_weights
from vidpipe.results.provenance import hashes_of
from vidpipe.runtime.links.shared_memory import SharedMemoryPool
from vidpipe.runtime.ray.packing import pack_arguments, unpack_arguments
from vidpipe.runtime.ray.pool import AT_ONCE, LEASE_S, Pool, Ran, Traits, UnknownError

log = logging.getLogger(__name__)

NAMESPACE = "vidpipe"
TRIES = 3  # of pictures on which a pool dies
OPEN_S = 300.0  # for a pool to start and its network to load
SILENT_S = 10.0  # without an answer, after which it is asked whether it is there
AGAIN_S = 0.2  # until a name is free again whose pool has died
TEND_S = 1.0

T = TypeVar("T")


class PoolActor:
    """The actor of a `Pool`. It ends itself, and is not started again but by who asks for it.

    Args:
        packed: the network's file, and the actor's name.
    """

    def __init__(self, packed: bytes) -> None:
        file, self._name = unpack_arguments(packed)
        self._pool = Pool(file, self._end)
        threading.Thread(target=self._tend, name="vidpipe-tend", daemon=True).start()

    def traits(self) -> Traits:
        """See `Pool.traits`."""
        return self._pool.traits()

    def join(self, *arguments: Any) -> None:
        """See `Pool.join`."""
        self._pool.join(*arguments)

    def run(self, *arguments: Any) -> Ran:
        """See `Pool.run`."""
        return self._pool.run(*arguments)

    def renew(self, callers: Sequence[str]) -> None:
        """See `Pool.renew`."""
        self._pool.renew(callers)

    def leave(self, caller: str) -> None:
        """See `Pool.leave`."""
        self._pool.leave(caller)

    def _tend(self) -> None:
        while True:
            time.sleep(TEND_S)
            self._pool.tend()

    def _end(self) -> None:
        ray.kill(ray.get_actor(self._name, namespace=NAMESPACE))


class Pools:
    """The pools that an actor asks.

    Args:
        gpus: that each takes of its machine.
        weight: of the run, against others.
    """

    def __init__(self, gpus: float, weight: Callable[[], float]) -> None:
        self._gpus = gpus
        self.weight = weight
        self._lock = threading.Lock()
        self._reached: dict[str, ReachedPool] = {}
        self._closed = threading.Event()

    def open(self, file: NetworkFile) -> PooledNetwork:
        """The network of a file as the pool has it that runs it on this machine; see `NetworkFile.open`."""
        with self._lock:
            if not self._reached:
                threading.Thread(target=self._renew, name="vidpipe-lease", daemon=True).start()
            pool = ReachedPool(file, self._gpus)
            pool = self._reached.setdefault(pool.name, pool)
        return PooledNetwork(pool, self.weight)

    @property
    def cpu_s(self) -> float:
        """CPU seconds that pools have worked for this actor."""
        with self._lock:
            return sum(pool.cpu_ns for pool in self._reached.values()) / 1e9

    def close(self) -> None:
        """Ask no more: a pool that nobody else asks ends."""
        self._closed.set()
        with self._lock:
            for pool in self._reached.values():
                pool.leave()

    def _renew(self) -> None:
        while not self._closed.wait(LEASE_S / 6):
            with self._lock:
                reached = list(self._reached.values())
            for pool in reached:
                pool.renew()


class ReachedPool:
    """The pool of a network on this machine, through its deaths.

    Attributes:
        name: of its actor.
        cpu_ns: that it has worked for this process.
    """

    def __init__(self, file: NetworkFile, gpus: float) -> None:
        self._node = ray.get_runtime_context().get_node_id()
        self.name = f"pool-{_key(file)}-{self._node}"
        self._file = file
        self._gpus = gpus
        self._lock = threading.Lock()
        self._actor: Any = None
        self._callers: set[str] = set()
        self.cpu_ns = 0

    def actor(self) -> Any:
        """It, started where it is not there."""
        with self._lock:
            if self._actor is None:
                for name in ("join", "leave", "renew", "traits"):
                    ray.method(concurrency_group="control")(getattr(PoolActor, name))
                options: dict[str, Any] = {
                    "name": self.name,
                    "namespace": NAMESPACE,
                    "get_if_exists": True,
                    "lifetime": "detached",
                    "num_cpus": 0,
                    "num_gpus": self._gpus,
                    "max_restarts": 0,
                    "max_concurrency": 100,
                    "concurrency_groups": {"control": 4},
                    "scheduling_strategy": NodeAffinitySchedulingStrategy(self._node, soft=False),
                }
                self._actor = ray.remote(**options)(PoolActor).remote(pack_arguments((), self._file, self.name))
            return self._actor

    def lost(self, actor: Any) -> None:
        """This one has died: the next that asks starts another one."""
        with self._lock:
            if self._actor is actor:
                self._actor = None
                log.warning("a detector pool died (%s); it is started again", self._file.file.name)

    def asked(self, ask: Callable[[Any], T]) -> T:
        """What comes of asking it, for all the times that it dies meanwhile.

        Raises:
            VidpipeError: as the pool did; or it dies each time.
        """
        for tried in range(TRIES):
            if tried:
                time.sleep(AGAIN_S)
            actor = self.actor()
            try:
                return ask(actor)
            except RayActorError as error:
                self.lost(actor)
                died = error
            except RayTaskError as error:
                if isinstance(error.cause, VidpipeError | UnknownError):
                    raise error.cause from None
                raise
        raise ModelError(f"model {self._file.file}: its detector pool died {TRIES} times: {_one_line(died)}")

    def answer(self, actor: Any, reference: Any) -> Any:
        """What a call gives; one of a pool that hangs ends as that of one that has died."""
        while True:
            try:
                return ray.get(reference, timeout=SILENT_S)
            except GetTimeoutError:
                try:
                    ray.get(actor.renew.remote(()), timeout=SILENT_S)
                except GetTimeoutError:
                    log.warning("a detector pool hangs (%s): it is ended", self._file.file.name)
                    ray.kill(actor)

    def traits(self) -> Traits:
        """See `Pool.traits`."""

        def ask(actor: Any) -> Traits:
            try:
                traits: Traits = ray.get(actor.traits.remote(), timeout=OPEN_S)
            except GetTimeoutError:
                gpus = f", and {self._gpus:g} of its GPUs are not free" if self._gpus else ""
                raise ModelError(
                    f"model {self._file.file}: its detector pool did not start within {OPEN_S:g} s: its machine is "
                    f"too busy{gpus}"
                ) from None
            return traits

        return self.asked(ask)

    def hold(self, caller: str) -> None:
        """This thread asks it from now on, and its lease is renewed."""
        with self._lock:
            self._callers.add(caller)

    def renew(self) -> None:
        with self._lock:
            if self._actor is not None and self._callers:
                self._actor.renew.remote(tuple(self._callers))

    def leave(self) -> None:
        """Nobody here asks it any more."""
        with self._lock:
            calls = [self._actor.leave.remote(caller) for caller in self._callers] if self._actor is not None else []
            self._callers.clear()
        ray.wait(calls, num_returns=len(calls), timeout=1.0) if calls else None


class PooledNetwork:
    """Implements `Network`."""

    def __init__(self, pool: ReachedPool, weight: Callable[[], float]) -> None:
        self._pool = pool
        self._weight = weight
        self.size, self.outputs, self.names = pool.traits()

    def compile(self, pixels: Pixels) -> PooledSession:
        return PooledSession(self._pool, self.size, self.outputs, pixels, self._weight)


class PooledSession:
    """Implements `Session`: its pictures lie in memory that the pool maps, and so do the outputs, if they are fixed."""

    def __init__(
        self,
        pool: ReachedPool,
        size: tuple[int, int],
        outputs: Sequence[Output],
        pixels: Pixels,
        weight: Callable[[], float],
    ) -> None:
        self._arguments = pool, size, outputs, pixels, weight
        self._pool, self._pixels, self._weight = pool, pixels, weight
        count = AT_ONCE if all(_is_by_picture(output) for output in outputs) else 1
        shape = (count, *size, 3)
        nbytes = int(np.prod(shape))
        room = count * sum(_nbytes(output) for output in outputs)
        self._memory = SharedMemoryPool(nbytes + room + 4096)
        pictures, outputs_at = self._memory.take(nbytes), self._memory.take(max(room, 1))
        assert pictures is not None
        assert outputs_at is not None
        self._places = pictures, outputs_at
        self.pictures: Image = self._memory.view(pictures).reshape(shape)
        self._caller = ""
        self._joined: Any = None

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        """See `Session.run`; raises ModelError where its pool dies each time that it is asked."""
        ran = self._pool.asked(lambda actor: self._run(actor, count))
        add_elsewhere(ran.cpu_ns)
        self._pool.cpu_ns += ran.cpu_ns
        pictures = (
            ran.outputs if ran.outputs is not None else read(self._memory.view(self._places[1]), count, ran.kinds)
        )
        return [np.concatenate(arrays) if count > 1 else arrays[0] for arrays in zip(*pictures, strict=True)]

    def clone(self) -> PooledSession:
        return PooledSession(*self._arguments)

    def _run(self, actor: Any, count: int) -> Ran:
        pictures, room = self._places
        while True:
            if self._joined is not actor:
                self._join(actor)
            try:
                call = actor.run.remote(self._caller, pictures, count, room, self._weight())
                ran: Ran = self._pool.answer(actor, call)
            except RayTaskError as error:
                if not isinstance(error.cause, UnknownError):
                    raise
                self._joined = None
            else:
                return ran

    def _join(self, actor: Any) -> None:
        self._caller = self._caller or uuid.uuid4().hex
        self._pool.hold(self._caller)
        self._pool.answer(actor, actor.join.remote(self._caller, self._pixels, self._memory.address))
        self._joined = actor


def read(room: Image, count: int, kinds: Sequence[tuple[tuple[int, ...], str]]) -> list[list[NDArray[Any]]]:
    """The arrays of each picture that lie one after the other."""
    found: list[list[NDArray[Any]]] = []
    at = 0
    for _ in range(count):
        arrays = []
        for shape, kind in kinds:
            nbytes = int(np.prod(shape)) * np.dtype(kind).itemsize
            arrays.append(room[at : at + nbytes].view(kind).reshape(shape))
            at += nbytes
        found.append(arrays)
    return found


def _is_by_picture(output: Output) -> bool:
    """Whether its first dimension is that of the pictures, so that several can be told apart."""
    return bool(output.shape) and output.shape[0] == 1 and -1 not in output.shape


def _nbytes(output: Output) -> int:
    """That it may need; nothing where that is not known before."""
    return 0 if -1 in output.shape else 8 * int(np.prod(output.shape))


def _key(file: NetworkFile) -> str:
    """Tells networks apart by their files and how they are run; threads are those of the first that asks."""
    hashes = hashes_of(with_weights(file.file))
    told = [vidpipe.__version__, hashes, file.size, file.precision, file.runtime]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]


def _one_line(error: RayError) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
