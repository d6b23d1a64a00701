"""A budget put into a pipeline that is going to run: what each stream begins with, and the tuner that keeps to it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.tuning.budget.limits import CPU, BudgetConfig, limited
from vidpipe.tuning.budget.offers import impossible, offers, said
from vidpipe.tuning.budget.plan import demand_of, exact
from vidpipe.tuning.budget.tuner import Budget
from vidpipe.tuning.floor.apply import audit_rate, with_audits
from vidpipe.tuning.floor.configuration import roles_of
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.paths import profiles_dir

log = logging.getLogger(__name__)


def keep_budget(
    pipeline: Pipeline,
    *,
    cpu: float | None = None,
    mbps: float | None = None,
    latency_ms: float | None = None,
    profiles: Path | None = None,
) -> Pipeline:
    """The pipeline with what its streams get of a budget, and the tuner that keeps to it.

    Args:
        cpu: CPU seconds a second of video that all streams together may take; None: no matter.
        mbps: megabits a second that they may send over a link between tiers; None: no matter.
        latency_ms: that links may add to a look, as far as it is known; None: no matter.
        profiles: folder of what was tuned; None: the usual one.

    Raises:
        ConfigError: no limit is given, limits and floors contradict each other, no stream was tuned, or the pipeline
            has another tuner.
    """
    pipeline, lines = apply_budget(pipeline, limited(cpu, mbps, latency_ms), profiles or profiles_dir())
    for line in lines:
        log.info("%s", line)
    return pipeline


def apply_budget(pipeline: Pipeline, config: BudgetConfig, profiles: Path) -> tuple[Pipeline, list[str]]:
    """Set each stream so that all together are worth the most, and have the budget kept meanwhile; and lines on it.

    Raises:
        ConfigError: the budget and the floors of the streams contradict each other, nothing is known of any stream,
            or another tuner has the pipeline already.
    """
    if pipeline.tuner is not None and not issubclass(pipeline.tuner.type, Budget):
        raise ConfigError(
            f"the pipeline has a tuner already, {pipeline.tuner.type.__name__}: a run has one of them, so leave out "
            "`tuner:` or the budget"
        )
    config = config.model_copy(update={"profiles": str(profiles)})
    roles = roles_of(pipeline)
    limits = config.resources(roles.pipeline)
    found = offers(roles, profiles, config)
    plan = exact(found.wishes, limits)
    if plan is None:
        raise ConfigError(impossible(found, limits, config))
    pipeline = with_settings(
        roles, {name: (option.what.configuration, option.what.floor) for name, option in plan.items()}, profiles
    )
    # An audit is a look of the last stage, which the most accurate option of a stream makes at every frame.
    every = {name: wish.options[-1].demand[CPU] for name, wish in found.anything.items()}
    pipeline = with_audits(pipeline, min(audit_rate(plan[name].demand[CPU], every[name]) for name in plan))
    lines = [f"{why}; meanwhile every frame is looked at" for why in found.untuned.values()]
    lines += [
        f"stream {name}: {option.accuracy:.2f} for {option.demand[CPU]:.2f} of a core: {option.what}"
        for name, option in plan.items()
        if name not in found.untuned
    ]
    taken = ", ".join(f"{amount:.2f} {said(resource)}" for resource, amount in demand_of(plan).items())
    lines.append(f"budget {config}: {taken} expected")
    return replace(pipeline, tuner=Part(Budget, config)), [*lines, *found.notes]
