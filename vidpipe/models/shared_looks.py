"""A look that one query has made stands for the same look of another: networks that remember what they saw last.

Mainstream (ATC 2018) and HiveMind (NeurIPS workshop 2018) share what networks compute between those who ask them about
one frame. Here that is all of it: the same network with the same pixels gives the same outputs, so what is shared is
known by the pixels themselves. Nobody has to know which frame they are of, when the other query has asked, or what it
looks for: classes, thresholds and boxes are each query's own, and its answers are those that it would have alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image
from vidpipe.models.meter import count_shared
from vidpipe.models.runtimes import Network, Output, Pixels, Session
from vidpipe.models.runtimes.opening import NetworkFile, Opens

KEPT_BYTES = 128_000_000  # of looks that are remembered of a network: some 30 at 640 x 640
_FOUND_BY = 4096  # bytes that a look is found by, before all of them are compared

Outputs = list[NDArray[Any]]


class SharedLooks:
    """The networks of a process, and what they saw last, for all queries in it.

    Args:
        opens: gives the network of a file.
    """

    def __init__(self, opens: Opens = NetworkFile.open) -> None:
        self._opens = opens
        self._lock = threading.Lock()
        # One that nobody has any more goes: a tuner may try many sizes.
        self._networks: WeakValueDictionary[NetworkFile, _Opened] = WeakValueDictionary()

    def open(self, query: str, file: NetworkFile) -> Network:
        """The network of a file for a query; it is loaded once. Raises what keeps it from opening."""
        key = replace(file, threads=None)  # they are those of the first that asks
        with self._lock:
            opened = self._networks.get(key)
            if opened is None:
                opened = self._networks[key] = _Opened(partial(self._opens, file))
            opened.queries.add(query)
        return SharedNetwork(opened, query)

    @property
    def nbytes(self) -> dict[str, int]:
        """What is remembered of each network that somebody has, by its file."""
        with self._lock:
            return {str(file.file): opened.nbytes for file, opened in self._networks.items()}

    def leave(self, query: str) -> None:
        """A query has ended: nothing is remembered for it any more."""
        with self._lock:
            for opened in list(self._networks.values()):
                opened.queries.discard(query)


class _Opened:
    """A network and its sessions, one for each kind of pixels: a runtime builds those into the network.

    Attributes:
        queries: that have it.
    """

    def __init__(self, load: Callable[[], Network]) -> None:
        self.queries: set[str] = set()
        self.network = load()
        self._load = load
        self._lock = threading.Lock()
        self._compiled: dict[Pixels, tuple[Session, _Memory]] = {}

    @property
    def nbytes(self) -> int:
        """Of the looks that are remembered."""
        with self._lock:
            return sum(memory.nbytes for _, memory in self._compiled.values())

    def session(self, pixels: Pixels, query: str) -> SharedSession:
        """A session of it, for a thread of a query."""
        with self._lock:
            if pixels not in self._compiled:
                network = self.network if not self._compiled else self._load()
                self._compiled[pixels] = network.compile(pixels), _Memory(self.queries)
            session, memory = self._compiled[pixels]
            return SharedSession(session.clone(), memory, query, self)


class SharedNetwork:
    """A `Network` that several queries have."""

    def __init__(self, opened: _Opened, query: str) -> None:
        self._opened = opened
        self._query = query
        self.size: tuple[int, int] = opened.network.size
        self.outputs: tuple[Output, ...] = opened.network.outputs

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._opened.network.names

    def compile(self, pixels: Pixels) -> SharedSession:
        return self._opened.session(pixels, self._query)


class SharedSession:
    """A `Session` that takes what another one saw in the same pixels, or is just about to see."""

    def __init__(self, session: Session, memory: _Memory, query: str, opened: _Opened) -> None:
        self._opened = opened  # which is there as long as a session of it is
        self._session = session
        self._memory = memory
        self._query = query
        self.pictures: Image = session.pictures

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        """See `Session.run`."""
        look, is_new = self._memory.look(self.pictures[:count], self._query)
        if look is None:
            return self._session.run(count)
        if not is_new:
            try:
                seen = look.outputs.result()
            except BaseException:  # what ended the other's look says nothing of this one
                return self._session.run(count)
            count_shared(count)
            return seen
        try:
            outputs = self._session.run(count)
            look.outputs.set_result([_kept(array) for array in outputs])
            self._memory.made(look)
        except BaseException as error:
            self._memory.forget(look)
            look.outputs.set_exception(error)
            raise
        return outputs

    def clone(self) -> SharedSession:
        return SharedSession(self._session.clone(), self._memory, self._query, self._opened)


class _Look:
    """What was looked at, and what came of it.

    Attributes:
        seen_by: queries that have it.
    """

    __slots__ = ("key", "nbytes", "outputs", "pixels", "seen_by")

    def __init__(self, key: bytes, pixels: Image, query: str) -> None:
        self.key = key
        self.pixels = pixels
        self.nbytes = pixels.nbytes
        self.seen_by = {query}
        self.outputs: Future[Outputs] = Future()


class _Memory:
    """The newest looks of one network that some of its queries have not asked for yet.

    Args:
        queries: that have the network; others change them.

    Attributes:
        nbytes: of what was looked at, and what came of it.
    """

    def __init__(self, queries: Set[str]) -> None:
        self._queries = queries
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, _Look] = OrderedDict()
        self.nbytes = 0

    def look(self, pixels: Image, query: str) -> tuple[_Look | None, bool]:
        """The look at these pixels, and whether it is for the caller to make; None: nobody else would ask for it."""
        flat = pixels.reshape(-1)
        key = flat[:: max(1, flat.size // _FOUND_BY)].tobytes()
        with self._lock:
            look = self._found.get(key)
            if look is None:
                if len(self._queries) < 2:
                    return None, True
                look = self._found[key] = _Look(key, np.array(pixels, copy=True), query)
                self.nbytes += look.nbytes
                return look, True
        if not np.array_equal(look.pixels, pixels):  # compared without the lock: what was looked at never changes
            return None, True
        with self._lock:
            look.seen_by.add(query)
            if look.seen_by >= self._queries:
                self._drop(look)
        return look, False

    def made(self, look: _Look) -> None:
        """A look is there: count what it takes, and let go of the oldest ones where that is too much."""
        nbytes = sum(array.nbytes for array in look.outputs.result())
        with self._lock:
            if self._found.get(look.key) is look:
                look.nbytes += nbytes
                self.nbytes += nbytes
            while self.nbytes > KEPT_BYTES and self._found:
                self._drop(next(iter(self._found.values())))

    def forget(self, look: _Look) -> None:
        """Nothing came of a look."""
        with self._lock:
            self._drop(look)

    def _drop(self, look: _Look) -> None:
        if self._found.get(look.key) is look:
            del self._found[look.key]
            self.nbytes -= look.nbytes


def _kept(array: NDArray[Any]) -> NDArray[Any]:
    kept = np.array(array, copy=True)
    kept.setflags(write=False)
    return kept
