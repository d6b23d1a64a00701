"""Keeping to a budget: the plan at the beginning, another one while less is there, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.budget.capacity import Capacity
from vidpipe.tuning.budget.keeping import Keeping
from vidpipe.tuning.budget.limits import CPU, BudgetConfig
from vidpipe.tuning.budget.offers import Offers, Setting, impossible, offers
from vidpipe.tuning.budget.plan import Plan, Wish, demand_of, exact, fits, greedy, worth
from vidpipe.tuning.floor.configuration import Roles, roles_of
from vidpipe.tuning.paths import profiles_dir


class Budget(Keeping):
    """Gives each stream what makes all of them together worth the most within the budget."""

    Config = BudgetConfig

    config: BudgetConfig

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
        self._still = {name: self._threshold(pipeline, name) for name in whole}
        self._start(pipeline, whole, Capacity(self.config.cpu, here=not self.config.elsewhere))

    def _is_paced(self, names: Iterable[str]) -> bool:
        return all(self._roles.pipeline.streams[name].spec.live for name in names)

    def _cpu(self, plan: Plan) -> float:
        return demand_of(plan).get(CPU, 0.0)

    def _offered(self, names: Iterable[str]) -> dict[str, Wish]:
        return {name: self._offers.anything[name] for name in names}

    def _planned(self, names: Iterable[str], cpu: float | None = None) -> Plan:
        limits = {**self._limits, CPU: self._capacity.limit if cpu is None else cpu}
        names = list(names)
        whole = {name: self._whole[name] for name in names}
        for offered in (self._offers.wishes, self._offers.anything):
            wishes: dict[str, Wish] = {name: offered[name] for name in names}
            able = [plan for plan in (whole, greedy(wishes, limits)) if fits(plan, limits)]
            if able:
                return max(able, key=lambda plan: worth(wishes, plan))
        return greedy(wishes, limits)

    def _settings(self, stream: str, setting: Setting) -> dict[str, dict[str, Any]]:
        """What a setting makes of the stages; what counts as no change is as it was where the setting says nothing."""
        settings = self._roles.settings(setting.configuration, setting.floor)
        if (difference := self._roles.difference) is not None:
            settings[difference] = {"threshold": self._still[stream], **settings[difference]}
        return settings

    def _wanted(self, setting: Setting) -> Mapping[str, Mapping[str, Any]]:
        return self._roles.settings(setting.configuration, setting.floor)

    def _threshold(self, pipeline: Pipeline, stream: str) -> float | None:
        """What counts as no change on a stream, where no option says otherwise."""
        stage = pipeline.placed.get(self._roles.difference or "")
        if stage is None:
            return None
        config: Any = stage.config
        return float(config.threshold)
