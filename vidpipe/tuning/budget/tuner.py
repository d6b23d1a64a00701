"""Keeping to a budget: the plan at the beginning, another one while less is there, and back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Change, Tuner
from vidpipe.sources.health import State
from vidpipe.tuning.budget.capacity import Capacity, Reading, machine
from vidpipe.tuning.budget.limits import CPU, BudgetConfig
from vidpipe.tuning.budget.offers import Offers, Setting, impossible, offers
from vidpipe.tuning.budget.plan import Plan, Wish, demand_of, exact, fits, greedy, worth
from vidpipe.tuning.floor.configuration import Roles, roles_of
from vidpipe.tuning.paths import profiles_dir

_BETTER = 0.01  # share of what the plan in force is worth, for which streams are set anew
_MANY = 0.1  # share of a stream's pictures that it loses where it has too little
_MOMENT_S = 1.0  # in which they are counted
_ENDED = ("ended", State.STOPPED.value)


class Budget(Tuner):
    """Gives each stream what makes all of them together worth the most within the budget.

    A stream that ends leaves its share to the others. One that a reload brings is no part of the plan.

    Attributes:
        machine: tells what CPU time was taken.
    """

    Config = BudgetConfig

    config: BudgetConfig
    machine: Callable[[], Reading] = staticmethod(machine)

    def begin(self, pipeline: Pipeline) -> None:
        """See `Tuner.begin`."""
        self._roles: Roles = roles_of(pipeline)
        if len(self._roles.pipeline.stages) != len(pipeline.stages):
            raise ConfigError("a budget needs a stage `track` before the first `detect`; `vidpipe run` puts one in")
        profiles = profiles_dir() if self.config.profiles is None else Path(self.config.profiles)
        self._offers: Offers = offers(self._roles, profiles, self.config)
        self._limits = self.config.resources(pipeline)
        whole = exact(self._offers.wishes, self._limits)
        if whole is None:
            raise ConfigError(impossible(self._offers, self._limits, self.config))
        self._whole: Plan = whole
        self._still = {name: self._threshold(pipeline, name) for name in whole}
        self._plan: dict[str, Any] = {name: option for name, option in whole.items() if self._has(pipeline, name)}
        self._running = frozenset(whole)
        self._capacity = Capacity(self.config.cpu, here=not self.config.elsewhere)
        self._counts: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()  # pictures, and lost ones, of late

    def tune(self, status: Status) -> Sequence[Change]:
        """See `Tuner.tune`."""
        running = {name: stream for name, stream in status.streams.items() if stream.state not in _ENDED}
        planned = {name: stream for name, stream in running.items() if name in self._whole}
        needs = demand_of({name: self._plan.get(name, self._whole[name]) for name in planned}).get(CPU, 0.0)
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
        paced = all(self._roles.pipeline.streams[name].spec.live for name in planned)
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
        wishes = {name: self._offers.anything[name] for name in planned}
        plan = self._planned(planned, offer)
        now = {name: self._plan[name] for name in wishes}
        if worth(wishes, plan) > (1 + _BETTER) * worth(wishes, now):
            self._capacity.take(at, offer)
            yield from self._follow(plan, "more is there for the run again")

    def _planned(self, names: Iterable[str], cpu: float | None = None) -> Plan:
        """The best plan for these streams; where not everything can be kept to, floors go first, then the limits."""
        limits = {**self._limits, CPU: self._capacity.limit if cpu is None else cpu}
        names = list(names)
        whole = {name: self._whole[name] for name in names}
        for offered in (self._offers.wishes, self._offers.anything):
            wishes: dict[str, Wish] = {name: offered[name] for name in names}
            able = [plan for plan in (whole, greedy(wishes, limits)) if fits(plan, limits)]
            if able:
                return max(able, key=lambda plan: worth(wishes, plan))
        return greedy(wishes, limits)

    def _follow(self, plan: Plan, why: str) -> Iterator[Change]:
        """Set each stream whose option changes."""
        for name, option in plan.items():
            if option != self._plan.get(name):
                self._plan[name] = option
                yield Change(self._settings(name, option.what), [name], f"{why}: {option.what}")

    def _settings(self, stream: str, setting: Setting) -> dict[str, dict[str, Any]]:
        """What a setting makes of the stages; what counts as no change is as it was where the setting says nothing."""
        settings = self._roles.settings(setting.configuration, setting.floor)
        if (difference := self._roles.difference) is not None:
            settings[difference] = {"threshold": self._still[stream], **settings[difference]}
        return settings

    def _threshold(self, pipeline: Pipeline, stream: str) -> float | None:
        """What counts as no change on a stream, where no option says otherwise."""
        stage = pipeline.placed.get(self._roles.difference or "")
        if stage is None:
            return None
        config: Any = stage.config
        return float(config.threshold)

    def _has(self, pipeline: Pipeline, of: str) -> bool:
        """Whether a stream is set as the plan wants it."""
        stream = pipeline.streams[of]
        configs = {stage.id: stream.configs.get(stage.id, stage.config) for stage in pipeline.stages}
        wanted = self._roles.settings(self._whole[of].what.configuration, self._whole[of].what.floor)
        return all(
            getattr(configs[stage], field) == value
            for stage, fields in wanted.items()
            for field, value in fields.items()
        )
