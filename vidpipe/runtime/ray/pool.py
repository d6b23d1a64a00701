"""A network that all actors of one machine share, whatever run they are of: a detector pool.

Its thread takes the pictures that wait, by turns of weight, and never waits for more (FFS-VA, ICCD 2018, has dynamic
batches like that). Whoever asks waits for the answers before it asks again, so that what waits here is bounded, and
what is too much waits or gives way where streams are known: in the queue of the segment that asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Image
from vidpipe.models.runtimes import Network, Output, Pixels, Session
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.runtime.fair_queue import FairQueue
from vidpipe.runtime.links.shared_memory import Address, SharedMemoryView, Slot

AT_ONCE = 4  # pictures of one call: enough for the weights to have a choice
BATCH_S = 0.05  # of a batch: those that come meanwhile have their turn then
LEASE_S = 30.0  # without a word, after which whoever asked is gone; and of a pool that nobody has asked yet


class UnknownError(Exception):
    """Whoever asks is not known here: it was silent for too long, or asked the pool before this one."""


class Traits(NamedTuple):
    """What is known of a network without having it; see `Network`."""

    size: tuple[int, int]
    outputs: tuple[Output, ...]
    names: tuple[str, ...] | None


class Ran(NamedTuple):
    """What came of some pictures.

    Attributes:
        outputs: of each picture each array; None where they lie in the memory of whoever asked, one after the other.
        kinds: shape and type of each array of one picture.
        cpu_ns: that the process has worked for them.
    """

    outputs: list[list[NDArray[Any]]] | None
    kinds: list[tuple[tuple[int, ...], str]]
    cpu_ns: int


class _Look(NamedTuple):
    """A picture that waits; `done` gets its outputs and nanoseconds of CPU."""

    session: Session
    picture: Image
    done: Future[tuple[list[NDArray[Any]], int]]


class _Caller:
    """Whoever asks: a thread of an actor.

    Attributes:
        heard_at: by the clock.
    """

    def __init__(self, session: Session, memory: SharedMemoryView, heard_at: float) -> None:
        self.session = session
        self.memory = memory
        self.heard_at = heard_at


class Pool:
    """The network, its sessions and its thread. Methods may be called by many threads at a time.

    Args:
        file: of the network; it is opened when the first one asks.
        end: called once when nobody holds the pool any more.

    Attributes:
        at_work: whether the network is looking at something.
    """

    def __init__(self, file: NetworkFile, end: Callable[[], None], clock: Clock = REAL) -> None:
        self._file = file
        self._end = end
        self._clock = clock
        self._began = clock.monotonic()
        self._opening = threading.Lock()
        self._network: Network | None = None
        self._sessions: dict[Pixels, Session] = {}
        self._callers: dict[str, _Caller] = {}
        self._weights: dict[str, float] = {}
        self._waiting: FairQueue[_Look] = FairQueue(self._weights, _refuse, AT_ONCE)
        self._changed = threading.Condition()
        self._was_held = False
        self._ended = False
        self.at_work = False
        self._picture_s = 0.0  # what one takes, on the average
        self._told_ns = 0  # of the CPU time of this process
        threading.Thread(target=self._work, name="vidpipe-pool", daemon=True).start()

    def traits(self) -> Traits:
        """What its network is; raises ModelError where that does not open."""
        with self._opening:
            if self._network is None:
                self._network = self._file.open()
                self._told_ns = time.process_time_ns()
            return Traits(self._network.size, self._network.outputs, self._network.names)

    def join(self, caller: str, pixels: Pixels, address: Address) -> None:
        """Know a caller from now on, whose pictures lie in its memory.

        Raises:
            ModelError: the network does not open.
            OSError: the caller is not on this machine.
        """
        memory, session = SharedMemoryView(address), self._session(pixels)
        with self._changed:
            self._callers[caller] = _Caller(session, memory, self._clock.monotonic())
            self._was_held = True

    def run(self, caller: str, pictures: Slot, count: int, room: Slot, weight: float) -> Ran:
        """Have the network look at the first pictures that lie in a place; their outputs go to another, if they fit.

        Raises:
            UnknownError: nobody knows the caller.
        """
        with self._changed:
            known = self._callers.get(caller)
            if known is None or self._ended:
                raise UnknownError(caller)
            known.heard_at = self._clock.monotonic()
            self._weights[caller] = weight
            images = known.memory.view(pictures).reshape(-1, *known.session.pictures.shape[1:])[:count]
            looks = [_Look(known.session, image, Future()) for image in images]
            for look in looks:
                self._waiting.put(caller, look)
            self._changed.notify()
        done = [look.done.result() for look in looks]
        outputs = [arrays for arrays, _ in done]
        kinds = [(array.shape, array.dtype.str) for array in outputs[0]]
        fits = all([(array.shape, array.dtype.str) for array in arrays] == kinds for arrays in outputs) and _put(
            outputs, known.memory.view(room)
        )
        return Ran(None if fits else outputs, kinds, sum(cpu_ns for _, cpu_ns in done))

    def renew(self, callers: Sequence[str]) -> None:
        """These are still there."""
        with self._changed:
            for caller in callers:
                if caller in self._callers:
                    self._callers[caller].heard_at = self._clock.monotonic()

    def leave(self, caller: str) -> None:
        """This one asks no more."""
        with self._changed:
            self._forget(caller)

    def tend(self) -> None:
        """Forget who is gone, and end where nobody is left; to be called now and then."""
        with self._changed:
            now = self._clock.monotonic()
            for caller in [name for name, each in self._callers.items() if now - each.heard_at > LEASE_S]:
                self._forget(caller)
            if self._callers or self._ended or not (self._was_held or now - self._began > LEASE_S):
                return
        self.stop()
        self._end()

    def stop(self) -> None:
        """Look at nothing that comes from now on, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        with self._changed:
            return len(self._waiting)

    def _forget(self, caller: str) -> None:
        self._callers.pop(caller, None)
        self._weights.pop(caller, None)
        for look in self._waiting.close(caller):
            look.done.set_exception(UnknownError(caller))

    def _session(self, pixels: Pixels) -> Session:
        self.traits()
        with self._opening:
            if pixels not in self._sessions:
                # A runtime builds what pixels need into the network: the next ones take another copy.
                network = self._network if not self._sessions else self._file.open()
                assert network is not None
                self._sessions[pixels] = network.compile(pixels)
            return self._sessions[pixels]

    def _work(self) -> None:
        while True:
            with self._changed:
                while not len(self._waiting):
                    if self._ended:
                        return
                    self._changed.wait()
                looks = [self._waiting.take()]
                looks += self._likes_of(looks[0])
                self.at_work = True
            self._look(looks)
            self.at_work = False

    def _likes_of(self, first: _Look) -> list[_Look]:
        """Those that the same call of the network takes, as many as wait, and no more than may take so long."""
        most = len(first.session.pictures)
        if self._picture_s:
            most = min(most, int(BATCH_S / self._picture_s))
        if len(self._sessions) > 1:
            return []
        return [self._waiting.take() for _ in range(min(most - 1, len(self._waiting)))]

    def _look(self, looks: Sequence[_Look]) -> None:
        session, began = looks[0].session, time.perf_counter()
        try:
            for place, look in enumerate(looks):
                session.pictures[place] = look.picture
            arrays = session.run(len(looks))
            outputs = [_of(arrays, place, len(session.pictures)) for place in range(len(looks))]
        except Exception as error:
            for look in looks:
                look.done.set_exception(error)
            return
        took_s = (time.perf_counter() - began) / len(looks)
        self._picture_s += 0.2 * (took_s - self._picture_s) if self._picture_s else took_s
        now_ns = time.process_time_ns()
        cpu_ns, self._told_ns = (now_ns - self._told_ns) // len(looks), now_ns
        for look, output in zip(looks, outputs, strict=True):
            look.done.set_result((output, cpu_ns))


def _of(arrays: Sequence[NDArray[Any]], place: int, pictures: int) -> list[NDArray[Any]]:
    """Copies of what concerns one picture: the next call writes over the arrays."""
    return [np.array(array if pictures == 1 else array[place : place + 1]) for array in arrays]


def _put(outputs: Sequence[Sequence[NDArray[Any]]], room: Image) -> bool:
    """Write arrays one after the other; False where they do not fit."""
    arrays = [array for each in outputs for array in each]
    if sum(array.nbytes for array in arrays) > len(room):
        return False
    at = 0
    for array in arrays:
        room[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        at += array.nbytes
    return True


def _refuse(look: _Look) -> None:
    """Nobody has more pictures here than a lane holds."""
    look.done.set_exception(UnknownError("too many pictures"))
