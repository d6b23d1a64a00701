"""Keeping to a plan: what each stream gets while machines leave, others take their CPU, or links become slow.

The same as keeping to a budget, and by the same code, where CPU is that of several machines: what is left of it, and
when more of it is there, `budget.Capacity` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.spec import Pipeline, Tier
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import Change, TunerConfig
from vidpipe.tuning.budget.capacity import Capacity
from vidpipe.tuning.budget.keeping import Keeping
from vidpipe.tuning.budget.plan import Option, Plan, Wish, demand_of
from vidpipe.tuning.planner.assign import replan
from vidpipe.tuning.planner.supply import CPU_OF, Supply, tier_of

_GIVEN_UP = 0.01  # share of the worth of the best plan, for which no stream is set anew


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OptionSpec(_Part):
    """One way to treat a stream."""

    f1: float = Field(ge=0, le=1, description="of its answers against the last stage")
    takes: dict[str, float] = Field(description="of each resource that is planned with")
    looks_on: Tier = Field(description="the tier whose model looks")
    holds: bool = Field(default=True, description="whether it keeps to the floor of the stream")
    says: str = Field(default="", description="in words")
    stages: dict[str, dict[str, Any]] = Field(description="settings of stages, by stage id and field")


class ChoiceSpec(_Part):
    """What a stream may get."""

    weight: float = Field(default=1.0, gt=0, description="how much its accuracy counts")
    options: list[OptionSpec] = Field(min_length=1, description="the first one is in force at the beginning")


class PlannedConfig(TunerConfig):
    every_s: float = Field(default=0.5, gt=0, description="seconds between two looks at how streams fare")
    limits: dict[str, float] = Field(description="of each resource that can be planned with")
    streams: dict[str, ChoiceSpec] = Field(min_length=1, description="what each stream may get")
    elsewhere: bool = Field(
        default=False,
        description="the run takes CPU time on other machines too: then only lost pictures tell that it is short",
    )

    @model_validator(mode="after")
    def _has_cpu(self) -> PlannedConfig:
        if not any(name.startswith(CPU_OF) for name in self.limits):
            raise ValueError("limits: there is no CPU of any machine, as `vidpipe plan --auto --out` writes it")
        return self


class Planned(Keeping):
    """Plans anew when there is less of something than was planned with, or as much again, and moves few streams."""

    Config = PlannedConfig

    config: PlannedConfig

    def begin(self, pipeline: Pipeline) -> None:
        """See `Tuner.begin`."""
        for name in self.config.streams:
            if name not in pipeline.streams:
                raise ConfigError(f"tuner: there is no stream '{name}'{did_you_mean(name, pipeline.streams)}")
        self._pipeline = pipeline
        self._wishes = {name: _wish(each) for name, each in self.config.streams.items()}
        self._supply = Supply(self.config.limits)
        whole = {name: wish.options[0] for name, wish in self._wishes.items()}
        self._start(pipeline, whole, Capacity(None, here=not self.config.elsewhere))

    def limits(self, cpu: float | None = None) -> dict[str, float]:
        """Of each resource what can be planned with now; `cpu`: with that many cores in all, None: with those there."""
        return self._supply.limits(self._capacity.limit if cpu is None else cpu)

    def _look(self, status: Status, planned: Mapping[str, StreamNow], needs: float) -> str:
        """Why streams are set anew; "" where there is as much as there was."""
        away = {name: [tier for part in now.away if (tier := tier_of(part))] for name, now in planned.items()}
        changes = self._supply.look(status.at, away, status.links)
        less = super()._look(status, planned, needs)
        return "; ".join([each.why for each in changes] + [less] * bool(less))

    def _is_paced(self, names: Iterable[str]) -> bool:
        return all(self._pipeline.streams[name].spec.live for name in names)

    def _cpu(self, plan: Plan) -> float:
        return sum(amount for name, amount in demand_of(plan).items() if name.startswith(CPU_OF))

    def _offered(self, names: Iterable[str]) -> dict[str, Wish]:
        return {name: self._reachable(name, self._wishes[name], floors=False) for name in names}

    def _planned(self, names: Iterable[str], cpu: float | None = None) -> Plan:
        names = list(names)
        limits = self.limits(cpu)
        now = {name: self._plan[name] for name in names if name in self._plan}
        for floors in (True, False):
            wishes = {name: self._reachable(name, self._wishes[name], floors=floors) for name in names}
            found = replan(wishes, limits, now, most_lost=_GIVEN_UP)
            if found.fits:
                break
        return found.plan

    def _reachable(self, stream: str, wish: Wish, *, floors: bool) -> Wish:
        """What a stream may get without the tiers that are away; all of it, where that is nothing."""
        away = self._supply.away(stream)
        able = [each for each in wish.options if each.what.looks_on not in away]
        kept = [each for each in able if each.what.holds or not floors]
        return Wish(kept or able or wish.options, wish.weight)

    def _follow(self, plan: Plan, why: str) -> Iterator[Change]:
        """An epoch for all streams that get the same; those that take less are set first."""
        before = dict(self._plan)
        changes = list(super()._follow(plan, why))
        of = {name: change for change in changes for name in change.streams or ()}
        groups: list[Change] = []
        for name in sorted(of, key=lambda name: self._more(before.get(name), plan[name])):
            change = of[name]
            at = next((at for at, group in enumerate(groups) if group.stages == change.stages), None)
            if at is None:
                groups.append(Change(change.stages, [name], change.reason))
            else:
                groups[at] = Change(change.stages, [*(groups[at].streams or ()), name], change.reason)
        yield from groups

    def _more(self, before: Option | None, after: Option) -> float:
        """How much more CPU a stream takes."""
        return self._cpu({"": after}) - (self._cpu({"": before}) if before is not None else 0.0)

    def _settings(self, stream: str, setting: Any) -> dict[str, dict[str, Any]]:
        return {stage: dict(fields) for stage, fields in setting.stages.items()}

    def _wanted(self, setting: Any) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = setting.stages
        return found


class _What:
    """What an option does; prints as its words."""

    def __init__(self, option: OptionSpec) -> None:
        self.stages: Mapping[str, Mapping[str, Any]] = option.stages
        self.looks_on, self.holds = option.looks_on, option.holds
        self._said = option.says or f"F1 {option.f1:.2f}"

    def __str__(self) -> str:
        return self._said


def _wish(stream: ChoiceSpec) -> Wish:
    return Wish([Option(each.f1, each.takes, _What(each)) for each in stream.options], stream.weight)
