"""A budget that several queries share: each gets the part of it that makes all of them together worth the most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.budget.limits import CPU, BudgetConfig
from vidpipe.tuning.budget.offers import Offers, impossible, offers
from vidpipe.tuning.budget.plan import Wish, demand_of, exact
from vidpipe.tuning.floor.configuration import roles_of


def shared_out(pipelines: Mapping[str, Pipeline], config: BudgetConfig, profiles: Path) -> dict[str, BudgetConfig]:
    """The budget of each query, by what its streams gain; what no plan needs is shared out in the same proportion.

    It is planned as if each query paid for all of its looks and decoding: whether two of them look at the same pictures
    depends on what these show, so what they share is left over and never missing.

    Args:
        profiles: folder of what was tuned.

    Raises:
        ConfigError: it is not of CPU alone, contradicts the floors of the streams, or nothing is known of any stream.
    """
    if config.cpu is None or config.mbps is not None:
        raise ConfigError(f"--budget {config}: several queries share out CPU time, as in cpu=1.5, and no link")
    found = {query: offers(roles_of(pipeline), profiles, config) for query, pipeline in pipelines.items()}
    wishes: dict[str, Wish] = {}
    every = Offers()
    for query, each in found.items():
        wishes |= {f"{query}/{stream}": wish for stream, wish in each.wishes.items()}
        every.anything |= {f"{query}/{stream}": wish for stream, wish in each.anything.items()}
    every.wishes = wishes
    limits = {CPU: config.cpu}
    plan = exact(wishes, limits)
    if plan is None:
        raise ConfigError(impossible(every, limits, config))
    taken = {
        query: demand_of({name: plan[name] for name in plan if name.startswith(f"{query}/")})[CPU] for query in found
    }
    total = sum(taken.values())
    # Of the CPU time that the process takes nobody can say whose it is: lost pictures tell that it is short.
    return {
        query: config.model_copy(update={"cpu": config.cpu * cpu / total, "elsewhere": True})
        for query, cpu in taken.items()
    }
