"""In which process an actor stands: in one of its own, or beside those of other queries, in one that they share.

Queries that share a camera must decode it in one process, and one look can only stand for another where both are asked
for in one process. So all queries of a session have one process for each place (the device, the edge, the cloud), with
an actor of each of them in it. Who has an actor calls it in the same way, wherever it stands.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol

import ray
from ray.exceptions import RayError
from ray.experimental import internal_kv as kept_by_ray

from vidpipe.core.errors import RunError
from vidpipe.runtime.ray.actors import Word
from vidpipe.runtime.sharing import QueryShare, Sharing

CONTROL = (
    *("add", "ask", "check", "clock", "close", "greet", "prepare", "ready", "remove", "restore", "skip", "stop"),
    *("update", "word"),
)
"""Calls that do not wait behind those that wait for answers."""

CALLS = 100  # of an actor at a time: more than links have credit for
SHARED_CALLS = 400  # of a process with actors of several queries
SHARED_CONTROL = 16  # a query that opens for seconds must not keep others from being asked how they fare
ASK_S = 3.0  # for a process to say who shares what
_SPACE = b"vidpipe-queries"


class Processes(Protocol):
    """Starts and ends actors."""

    def start(self, kind: type, place: str, options: Mapping[str, Any], packed: bytes) -> Any:
        """An actor of this kind.

        Args:
            place: its name among the actors of a run.
            options: for Ray.
            packed: what it is made with.
        """
        ...

    def end(self, actor: Any) -> None:
        """End it at once."""
        ...


class OwnProcesses:
    """Each actor has a process of its own."""

    def start(self, kind: type, place: str, options: Mapping[str, Any], packed: bytes) -> Any:
        """See `Processes.start`."""
        return _process(kind, options, CONTROL, CALLS, 2).remote(packed)

    def end(self, actor: Any) -> None:
        """See `Processes.end`."""
        ray.kill(actor)


class SharedProcesses:
    """The processes of all queries of a session; any thread may call it."""

    def __init__(self) -> None:
        self._session = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._hosts: dict[str, Any] = {}  # by place
        self._parts: dict[str, set[str]] = {}  # by place, the actors that stand there
        self._begun = False

    def of(self, query: str) -> ProcessesOfQuery:
        """The same for one query."""
        return ProcessesOfQuery(self, query)

    def start(self, query: str, kind: type, place: str, options: Mapping[str, Any], packed: bytes) -> SharedActor:
        """An actor of a query, in the process of that place, which is started for the first one."""
        part = f"{self._session}/{uuid.uuid4().hex}"
        with self._lock:
            # What it is made of lies with Ray: a process that is started again finds there what stood in it.
            _put(part, ray.cloudpickle.dumps((query, kind, packed)))
            host = self._hosts.get(place)
            if host is None:
                if self._begun:  # Ray may be a new one, where all who used it had ended
                    _put(self._session, b"begun")
                control = "begin", "control", "drop", "others"
                process = _process(HostActor, options, control, SHARED_CALLS, SHARED_CONTROL)
                host = self._hosts[place] = process.remote(self._session)
            self._parts.setdefault(place, set()).add(part)
        return SharedActor(host, place, part)

    def end(self, actor: SharedActor) -> None:
        """End an actor; the last one ends its process."""
        with self._lock:
            parts = self._parts[actor.place]
            if actor.part not in parts:
                return
            parts.discard(actor.part)
            kept_by_ray._internal_kv_del(actor.part, namespace=_SPACE)
            if parts:
                actor.host.drop.remote(actor.part)
            else:
                ray.kill(self._hosts.pop(actor.place))

    def begin(self) -> None:
        """All queries that begin together are open: let pictures come."""
        with self._lock:
            self._begun = True
            for host in self._hosts.values():
                _put(self._session, b"begun")
                host.begin.remote()

    def others(self, query: str) -> dict[str, list[str]]:
        """By stream, which other queries take the same pictures as this one, as far as processes say so in time."""
        with self._lock:
            hosts = list(self._hosts.values())
        found: dict[str, list[str]] = {}
        with suppress(RayError):
            for each in ray.get([host.others.remote(query) for host in hosts], timeout=ASK_S):
                found |= each
        return found


def processes_of(share: QueryShare | None) -> Processes:
    """Where the actors of a run stand; `share`: what it has in common with other queries, None: it is alone."""
    return OwnProcesses() if share is None else share.elsewhere(SharedProcesses).of(share.name)


class ProcessesOfQuery:
    """Implements `Processes` with what the queries of a session share."""

    def __init__(self, shared: SharedProcesses, query: str) -> None:
        self._shared = shared
        self._query = query

    def start(self, kind: type, place: str, options: Mapping[str, Any], packed: bytes) -> SharedActor:
        """See `Processes.start`."""
        return self._shared.start(self._query, kind, place, options, packed)

    def end(self, actor: SharedActor) -> None:
        """See `Processes.end`."""
        self._shared.end(actor)


class SharedActor:
    """An actor in a process that others share: `actor.method.remote(...)` calls it, as with one of Ray's own.

    Attributes:
        host: the process.
        place: where that stands.
        part: the actor's name in it.
    """

    def __init__(self, host: Any, place: str, part: str) -> None:
        self.host = host
        self.place = place
        self.part = part

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):  # of Python's own, as pickling asks for
            raise AttributeError(name)
        return _Method(self, name)

    def __repr__(self) -> str:
        return f"SharedActor({self.part})"


class _Method:
    def __init__(self, actor: SharedActor, name: str) -> None:
        self._actor = actor
        self._name = name

    def remote(self, *arguments: Any) -> Any:
        """A reference to what the call gives."""
        host = self._actor.host
        enters = host.control if self._name in CONTROL else host.call
        return enters.remote(self._actor.part, self._name, arguments)


class HostActor:
    """A process with actors of several queries, and what those share.

    Args:
        session: of the queries.
    """

    def __init__(self, session: str) -> None:
        self._sharing = Sharing()
        self._lock = threading.Lock()
        self._parts: dict[str, Future[Any]] = {}
        if kept_by_ray._internal_kv_get(session, namespace=_SPACE) is not None:  # it is started again
            self._sharing.begin()

    def call(self, part: str, method: str, arguments: Sequence[Any]) -> Any:
        """Call a method of an actor."""
        return getattr(self._part(part), method)(*arguments)

    def control(self, part: str, method: str, arguments: Sequence[Any]) -> Any:
        """The same, not behind those that wait for answers."""
        said = self.call(part, method, arguments)
        if isinstance(said, Word) and not self._speaks(part):
            # Warnings are those of the process: one of its actors tells of them.
            return said._replace(warnings=said.warnings._replace(newest=()))
        return said

    def begin(self) -> None:
        """See `Sharing.begin`."""
        self._sharing.begin()

    def others(self, query: str) -> dict[str, list[str]]:
        """See `SharedSources.others`."""
        return self._sharing.sources.others(query)

    def drop(self, part: str) -> None:
        """An actor has ended."""
        with self._lock:
            self._parts.pop(part, None)

    def _speaks(self, part: str) -> bool:
        with self._lock:
            return next(iter(self._parts), None) == part

    def _part(self, name: str) -> Any:
        """The actor of that name; who asks first makes it, and keeps nobody else waiting."""
        with self._lock:
            made = self._parts.get(name)
            is_new = made is None
            if made is None:
                made = self._parts[name] = Future()
        if is_new:
            try:
                made.set_result(self._made(name))
            except BaseException as error:
                with self._lock:
                    self._parts.pop(name, None)
                made.set_exception(error)
        return made.result()

    def _made(self, name: str) -> Any:
        kept = kept_by_ray._internal_kv_get(name, namespace=_SPACE)
        if kept is None:
            raise RunError("the query has ended")
        query, kind, packed = ray.cloudpickle.loads(kept)
        return kind(packed, self._sharing.query(query))


def _process(kind: type, options: Mapping[str, Any], control: Sequence[str], calls: int, of_control: int) -> Any:
    """What starts a process with an object of this kind.

    Args:
        calls: at a time.
        control: methods that have other threads, so many as `of_control`.
    """
    for name in control:
        if hasattr(kind, name):
            ray.method(concurrency_group="control")(getattr(kind, name))
    options = {**options, "max_concurrency": calls, "concurrency_groups": {"control": of_control}}
    return ray.remote(**options)(kind)


def _put(key: str, value: bytes) -> None:
    kept_by_ray._internal_kv_put(key, value, overwrite=True, namespace=_SPACE)
