"""Keeping to a plan while it runs: another one while less is there, and back."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Change, Tuner
from vidpipe.sources.health import State
from vidpipe.tuning.budget.capacity import Capacity, Reading, machine
from vidpipe.tuning.budget.plan import Plan, Wish, worth

_BETTER = 0.01  # share of what the plan in force is worth, for which streams are set anew
_MANY = 0.1  # share of a stream's pictures that it loses where it has too little
_MOMENT_S = 1.0  # in which they are counted
_ENDED = ("ended", State.STOPPED.value)


class Keeping(Tuner):
    """Gives each stream of a plan what the plan has for it, and plans anew when less or more CPU is there.

    A stream that ends leaves its share to the others. One that a reload brings is no part of the plan.

    Attributes:
        machine: tells what CPU time was taken.
    """

    machine: Callable[[], Reading] = staticmethod(machine)

    @abstractmethod
    def _is_paced(self, names: Iterable[str]) -> bool:
        """Whether these streams come at their own pace."""

    @abstractmethod
    def _cpu(self, plan: Plan) -> float:
        """What a plan takes, in CPU seconds a second."""

    @abstractmethod
    def _offered(self, names: Iterable[str]) -> dict[str, Wish]:
        """What these streams may get, without regard to floors."""

    @abstractmethod
    def _planned(self, names: Iterable[str], cpu: float | None = None) -> Plan:
        """The plan to follow for these streams; where not everything can be kept to, floors go first, then the limits.

        Args:
            cpu: that there would be; None: as much as there is now.
        """

    @abstractmethod
    def _wanted(self, setting: Any) -> Mapping[str, Mapping[str, Any]]:
        """What an option says of stages."""

    @abstractmethod
    def _settings(self, stream: str, setting: Any) -> dict[str, dict[str, Any]]:
        """What an option makes of the stages of a stream, also where it says nothing and another one did."""

    def _start(self, pipeline: Pipeline, whole: Plan, capacity: Capacity) -> None:
        """Begin with a plan, which the streams may not be set to yet."""
        self._whole = whole
        self._plan: dict[str, Any] = {name: option for name, option in whole.items() if self._has(pipeline, name)}
        self._running = frozenset(whole)
        self._capacity = capacity
        self._counts: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()  # pictures, and lost ones, of late

    @property
    def in_force(self) -> Plan:
        """What the streams have now."""
        return dict(self._plan)

    def tune(self, status: Status) -> Sequence[Change]:
        """See `Tuner.tune`."""
        running = {name: stream for name, stream in status.streams.items() if stream.state not in _ENDED}
        planned = {name: stream for name, stream in running.items() if name in self._whole}
        needs = self._cpu({name: self._plan.get(name, self._whole[name]) for name in planned})
        less = self._look(status, planned, needs)
        if less:
            return list(self._follow(self._planned(planned), less))
        if self._running != planned.keys():
            self._running = frozenset(planned)
            return list(self._follow(self._planned(planned), "a stream has ended, or another one begun"))
        if self._plan.keys() < planned.keys():
            return list(self._follow(self._planned(planned), "the budget"))
        return list(self._back(status.at, planned))

    def _look(self, status: Status, planned: Mapping[str, StreamNow], needs: float) -> str:
        lost = any(stream.state == State.OVERLOADED for stream in planned.values())
        paced = self._is_paced(planned)
        losing = self._loses(status.at, planned)
        return self._capacity.look(status.at, self.machine(), needs, losing=losing, lost=lost, paced=paced)

    def _loses(self, at: float, planned: Mapping[str, StreamNow]) -> float:
        """The share of pictures that are lost at this moment, where one of the streams loses many; else 0."""
        self._counts.append((at, {name: (each.frames_in, each.lost) for name, each in planned.items()}))
        while self._counts[0][0] < at - _MOMENT_S:
            self._counts.popleft()
        first = self._counts[0][1]
        came = {name: each.frames_in - first[name][0] for name, each in planned.items() if name in first}
        lost = {name: planned[name].lost - first[name][1] for name in came}
        if not any(lost[name] > _MANY * came[name] for name in came):
            return 0.0
        return min(1.0, sum(lost.values()) / max(1, sum(came.values())))

    def _back(self, at: float, planned: Iterable[str]) -> Iterator[Change]:
        """More accuracy, where more was there for a while."""
        offer = self._capacity.offer(at)
        if offer is None or offer <= self._capacity.limit:
            return
        wishes = self._offered(planned)
        plan = self._planned(planned, offer)
        now = {name: self._plan[name] for name in wishes}
        if worth(wishes, plan) > (1 + _BETTER) * worth(wishes, now):
            self._capacity.take(at, offer)
            yield from self._follow(plan, "more is there for the run again")

    def _follow(self, plan: Plan, why: str) -> Iterator[Change]:
        """Set each stream whose option changes."""
        for name, option in plan.items():
            if option != self._plan.get(name):
                self._plan[name] = option
                yield Change(self._settings(name, option.what), [name], f"{why}: {option.what}")

    def _has(self, pipeline: Pipeline, of: str) -> bool:
        """Whether a stream is set as the plan wants it."""
        stream = pipeline.streams[of]
        configs = {stage.id: stream.configs.get(stage.id, stage.config) for stage in pipeline.stages}
        wanted = self._wanted(self._whole[of].what)
        return all(
            getattr(configs[stage], field) == value
            for stage, fields in wanted.items()
            for field, value in fields.items()
        )
