"""Actors in this process, for tests of what lies between segments without Ray.

Called as Ray's are: by name, in threads, arguments and answers pickled. One can be killed: then every call that it had
raises, and a new instance takes those that come later, at once or when it is let back.
"""

from __future__ import annotations

import itertools
import pickle
import threading
import time
from concurrent.futures import Future
from typing import Any

from ray.exceptions import RayActorError

from vidpipe.pipeline.plan import Plan
from vidpipe.results.records import Position, Result
from vidpipe.runtime.ray.actors import DeviceActor, SegmentActor
from vidpipe.runtime.ray.packing import pack_arguments
from vidpipe.runtime.worker import those_open

_ACTORS: dict[int, LocalActor] = {}
_NUMBERS = itertools.count()


class LocalActor:
    """A handle to an actor of a class that is made from packed arguments."""

    def __init__(self, kind: type, *arguments: Any) -> None:
        self._make = lambda: kind(pack_arguments((), *arguments))
        self._number = next(_NUMBERS)
        _ACTORS[self._number] = self
        self._lock = threading.Lock()
        self._here = threading.Event()
        self._open: set[Future[Any]] = set()
        self.instance: Any = None
        self.come_back()

    def __reduce__(self) -> Any:
        return _of_number, (self._number,)

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(self, name)

    def kill(self, *, stays_away: bool = False) -> None:
        """Have all that it was at raise, and another instance in its place."""
        with self._lock:
            self._here.clear()
            died, self._open = self._open, set()
        for call in died:
            call.set_exception(RayActorError())
        if not stays_away:
            self.come_back()

    def hang(self) -> None:
        """Answer nothing until `wake`, and take what was asked then."""
        self._here.clear()

    def wake(self) -> None:
        self._here.set()

    def come_back(self) -> None:
        self.instance = self._make()
        self._here.set()

    def call(self, method: str, arguments: bytes) -> Future[Any]:
        done: Future[Any] = Future()
        with self._lock:
            self._open.add(done)
        threading.Thread(target=self._do, args=(method, arguments, done), daemon=True).start()
        return done

    def _do(self, method: str, arguments: bytes, done: Future[Any]) -> None:
        self._here.wait()
        result, error = None, None
        try:
            result = pickle.loads(pickle.dumps(getattr(self.instance, method)(*pickle.loads(arguments))))
        except Exception as raised:
            error = raised
        with self._lock:
            if done not in self._open:
                return  # it has died meanwhile
            self._open.discard(done)
        done.set_exception(error) if error is not None else done.set_result(result)


def _of_number(number: int) -> LocalActor:
    return _ACTORS[number]


class _Method:
    def __init__(self, actor: LocalActor, name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *arguments: Any) -> _Reference:
        return _Reference(self._actor.call(self._name, pickle.dumps(arguments)))


class _Reference:
    def __init__(self, done: Future[Any]) -> None:
        self._done = done

    def future(self) -> Future[Any]:
        return self._done


def segments(plan: Plan) -> list[LocalActor]:
    """The segments below the device, from the last one up."""
    actors: list[LocalActor] = []
    for index in range(len(plan.segments) - 1, 0, -1):
        actors.append(LocalActor(SegmentActor, plan, range(index, index + 1), actors[-1] if actors else None))
    return actors


class Device:
    """All streams of a plan in one device actor, and what comes out of it."""

    def __init__(self, plan: Plan, lower: LocalActor) -> None:
        self.actor = DeviceActor(pack_arguments((), (), False, plan, range(1), lower))
        self.published: list[Result] = []
        self.errors: dict[str, Exception | None] = {}
        self._streams = set(plan.pipeline.streams)
        those_open(self.actor.open({stream: Position() for stream in plan.pipeline.streams}))

    def run(self, timeout_s: float = 30.0) -> None:
        """To the end of all streams."""
        self.actor.start()
        deadline = time.monotonic() + timeout_s
        while self.errors.keys() != self._streams:
            self.take()
            assert time.monotonic() < deadline, f"hangs after {len(self.published)} answers"

    def take(self) -> None:
        batch = self.actor.take(0.2)
        self.published += batch.published
        self.errors |= {end.stream: end.error for end in batch.ended}
