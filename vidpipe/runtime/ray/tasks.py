"""Tasks on the machines of a Ray: an actor for each worker, where recordings are read."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.plan import Place, Plan
from vidpipe.pipeline.spec import Tier
from vidpipe.runtime.ray.cluster import Cluster
from vidpipe.runtime.ray.machines import Machines, machines
from vidpipe.runtime.ray.packing import pack_arguments, unpack_arguments
from vidpipe.runtime.ray.replies import cause, got
from vidpipe.runtime.tasks import FIRST_TAKES, Done, Work

OPEN_S = 120.0
_LEAVE_S = 10.0
_ASK_S = 10.0  # between two questions to an actor whether its task gets on


class TaskActor:
    """Works on tasks, one after the other. A plain class, so that it can be run without Ray."""

    def __init__(self, packed: bytes) -> None:
        (make,) = unpack_arguments(packed)
        self._work: Work = make()
        self._heard_at = time.monotonic()
        if hasattr(self._work, "beat"):
            self._work.beat = self._beat

    def ready(self) -> bool:
        """It has been made."""
        return True

    def work(self, packed: bytes) -> Any:
        """What comes of a task; raises what the work raises."""
        self._beat()
        return self._work(ray.cloudpickle.loads(packed))

    def silent_s(self) -> float:
        """Seconds since its task got on; another thread asks."""
        return time.monotonic() - self._heard_at

    def _beat(self) -> None:
        self._heard_at = time.monotonic()


@dataclass(slots=True)
class _Busy:
    """An actor at a task.

    Attributes:
        heard_at: when it got on last, as far as it has said so.
        asked: for how long it has been silent; None: nobody has asked, or it has said.
        hung: why it was ended; "" where it was not.
    """

    actor: Any
    task: Any
    heard_at: float
    asked_at: float
    asked: Any = None
    hung: str = ""


class RayTaskWorkers:
    """Actors on the machines that offer the tier `device`: recordings are read there. One that dies starts again.

    Args:
        plan: whose custom classes travel.
        address: of the Ray to join.
        count: how many actors; None: one for each core of these machines.
        search_paths: folders that `make` may come from.
        make: makes the work, in each actor.

    Raises:
        ConfigError: no machine offers that tier, or one may not run what it is sent.
        RunError: the Ray cannot be joined.
    """

    def __init__(
        self, plan: Plan, address: str, count: int | None, search_paths: Sequence[str], make: Callable[[], Work]
    ) -> None:
        self._cluster = Cluster(plan, address)
        self._cluster.open(threading.Event())
        try:
            self._begin(Machines(address, plan.pipeline.tiers), count, pack_arguments(search_paths, make))
        except BaseException:
            self._cluster.close(_LEAVE_S)
            raise

    def _begin(self, placing: Machines, count: int | None, packed: bytes) -> None:
        place = Place(range(1), "worker", Tier.DEVICE)
        placing.check([place])
        made = []
        for _ in range(count or _cores()):
            options, _ = placing.options(place)
            # Another thread of it says whether the task gets on.
            made.append(ray.remote(**options, max_concurrency=2)(TaskActor).remote(packed))
        got([actor.ready.remote() for actor in made], OPEN_S)
        self._idle = deque(made)
        self._busy: dict[Any, _Busy] = {}  # by reference
        self._proven: set[Any] = set()  # actors that have done a task

    @property
    def free(self) -> int:
        return len(self._idle)

    def put(self, task: Any) -> None:
        actor = self._idle.popleft()
        now = time.monotonic()
        self._busy[actor.work.remote(bytes(ray.cloudpickle.dumps(task)))] = _Busy(actor, task, now, now)

    def take(self, timeout_s: float) -> list[Done]:
        if (loss := self._cluster.lost()) is not None:
            raise RunError(f"{loss.reason}: what is done stays; start again to go on")
        if not self._busy:
            threading.Event().wait(timeout_s)
            return []
        references, _ = ray.wait(list(self._busy), num_returns=1, timeout=timeout_s)
        return [self._done(reference) for reference in references]

    def end_silent(self, longest_s: float) -> None:
        now = time.monotonic()
        for each in self._busy.values():
            if each.asked is None and now - each.asked_at >= _ASK_S:
                each.asked, each.asked_at = each.actor.silent_s.remote(), now
            elif each.asked is not None and ray.wait([each.asked], timeout=0)[0]:
                with suppress(RayActorError):  # that is told where its task is taken
                    each.heard_at = max(each.heard_at, now - ray.get(each.asked))
                each.asked = None
            silent_s = now - each.heard_at
            if silent_s > longest_s * (1 if each.actor in self._proven else FIRST_TAKES) and not each.hung:
                each.hung = f"hung: nothing was heard of it for {silent_s:.0f} s"
                ray.kill(each.actor, no_restart=False)

    def close(self) -> None:
        for actor in (*self._idle, *(each.actor for each in self._busy.values())):
            ray.kill(actor)
        self._idle, self._busy = deque(), {}
        self._cluster.close(_LEAVE_S)

    def _done(self, reference: Any) -> Done:
        busy = self._busy.pop(reference)
        self._idle.append(busy.actor)
        task = busy.task
        try:
            done = Done(task, ray.get(reference))
            self._proven.add(busy.actor)
            return done
        except RayTaskError as error:
            return Done(task, error=cause(error))
        except RayActorError as error:
            return Done(task, died=busy.hung or f"lost: {str(error).strip().splitlines()[0]}")


def _cores() -> int:
    """Of the machines where recordings are read; one for each that does not say."""
    offering = {machine.node for machine in machines() if Tier.DEVICE in machine.tiers}
    if not offering:
        raise ConfigError("no machine of the cluster offers the tier device")
    cores = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes()}
    return sum(max(1, cores[node]) for node in offering)
