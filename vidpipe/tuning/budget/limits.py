"""What a run may take: as written on the command line, and as settings of the tuner `budget`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Self

from pydantic import Field, ValidationError, model_validator

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.tuner import TunerConfig

LIMITS = ("cpu", "mbps", "latency_ms")
CPU = "cpu"
"""The resource; a link between tiers is one by its name: "device-edge"."""


class BudgetConfig(TunerConfig):
    every_s: float = Field(default=0.5, gt=0, description="seconds between two looks at how streams fare")
    cpu: float | None = Field(
        default=None, gt=0, description="CPU seconds a second of video that all streams together may take"
    )
    mbps: float | None = Field(
        default=None, gt=0, description="megabits a second that all streams together may send over a link between tiers"
    )
    latency_ms: float | None = Field(
        default=None, gt=0, description="that links may add to a look, as far as it is known"
    )
    profiles: str | None = Field(
        default=None, description="folder of what `tune` has chosen; default: where `run` looks for it"
    )

    elsewhere: bool = Field(
        default=False,
        description="the run takes CPU time on other machines too: then only lost pictures tell that it is short",
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if all(getattr(self, name) is None for name in LIMITS):
            raise ValueError(f"a budget needs one of {', '.join(LIMITS)}")
        return self

    def resources(self, pipeline: Pipeline) -> dict[str, float]:
        """The limits of what adds up over streams: of CPU, and of each link of a pipeline."""
        limits = {} if self.cpu is None else {CPU: self.cpu}
        if self.mbps is not None:
            limits |= dict.fromkeys(links_of(pipeline), self.mbps)
        return limits

    def __str__(self) -> str:
        named = {name: getattr(self, name) for name in LIMITS}
        return ",".join(f"{name}={value:g}" for name, value in named.items() if value is not None)


def parse(text: str) -> BudgetConfig:
    """A budget as "cpu=1.5,mbps=4,latency_ms=200"; any of them, in any order.

    Raises:
        ConfigError: says what is wrong with it.
    """
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if name not in LIMITS:
            raise ConfigError(f"--budget: there is no '{name}'{did_you_mean(name, LIMITS)}")
        if name in limits:
            raise ConfigError(f"--budget names {name} twice")
        limits[name] = _number(value)
        if not equals or not 0 < limits[name] < math.inf:
            raise ConfigError(f"--budget {part.strip()}: {name} is a number above 0, as in {name}=1.5")
    return limited(**limits)


def limited(cpu: float | None = None, mbps: float | None = None, latency_ms: float | None = None) -> BudgetConfig:
    """A budget of these limits, each above 0; None: no matter. Raises ConfigError."""
    try:
        return BudgetConfig(cpu=cpu, mbps=mbps, latency_ms=latency_ms)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{name}: " for name in first["loc"])
        raise ConfigError(f"budget: {place}{first['msg'].removeprefix('Value error, ')}") from None


def links_of(pipeline: Pipeline) -> list[str]:
    """The links between the tiers on which stages stand, from the device down."""
    tiers = list(dict.fromkeys(stage.tier for stage in pipeline.stages))
    return [f"{upper}-{lower}" for upper, lower in pairwise(tiers)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
