"""`vidpipe plan --auto`: where models stand and what each camera gets, written as a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import write_whole
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline
from vidpipe.pipeline.yaml.rewrite import rewritten
from vidpipe.tuning.budget.limits import BudgetConfig
from vidpipe.tuning.budget.offers import offers
from vidpipe.tuning.budget.plan import demand_of
from vidpipe.tuning.floor.configuration import Roles, roles_of
from vidpipe.tuning.paths import profiles_dir
from vidpipe.tuning.planner.assign import why
from vidpipe.tuning.planner.costs import Costs
from vidpipe.tuning.planner.nodes import Nodes
from vidpipe.tuning.planner.options import Auto, auto, looker_of, said
from vidpipe.tuning.planner.supply import CPU_OF

_NO_LIMIT = 1e9  # cores: what there is, the machines say


def plan_cameras(
    pipeline: Pipeline,
    config: Path | None,
    profiles: Path | None,
    costs: Costs,
    nodes: Nodes,
    out: Path | None,
    console: Console,
) -> dict[str, Any]:
    """Choose for all cameras, say why, and write the configuration; what was chosen, for programs.

    Args:
        out: where the configuration goes; None: it is not written.

    Raises:
        ConfigError: no stream was tuned, the pipeline has no place for what tuning sets, or nothing fits.
    """
    roles = roles_of(pipeline)
    if len(roles.pipeline.stages) != len(pipeline.stages):
        raise ConfigError("--auto needs a stage `track` before the first `detect`: settings of it are what is chosen")
    found = offers(roles, profiles or profiles_dir(), BudgetConfig(cpu=_NO_LIMIT))
    chosen = auto(roles, found, costs, nodes)
    for name, reason in found.untuned.items():
        console.print(f"{reason}; stream {name} is looked at in every frame")
    for line in _lines(chosen, roles):
        console.print(line, markup=False)
    if not chosen.assigned.fits:
        raise ConfigError(_refusal(chosen))
    if out is not None:
        text = config.read_text(encoding="utf-8") if config is not None else ""
        write_whole(out, rewritten(text, configuration(chosen, roles)), "configuration")
        told = f"written: {out}: give it to `vidpipe run` by --config, with the same pipeline and sources"
        console.print(told, markup=False)
        if pipeline.tuner is not None:
            console.print("the pipeline has a tuner of its own, so nothing is planned anew while it runs")
    return _as_json(chosen, roles)


def configuration(chosen: Auto, roles: Roles) -> dict[str, Any]:
    """What differs in the configuration: where stages stand, the settings of each stream, and what plans anew."""
    streams = {
        name: {"tuned": False, "stages": _plain(roles.settings(option.what.configuration, option.what.floor))}
        for name, option in chosen.assigned.plan.items()
    }
    placement = {stage: tier.value for stage, tier in chosen.placement.items()}
    links = {
        name: spec.model_dump(mode="json", include={"codec", "quality", "width", "split"})
        for name, spec in chosen.pipeline.links.items()
        if spec.setting != roles.pipeline.links.get(name, LinkSpec()).setting
    }
    keeper = {} if roles.pipeline.tuner is not None else {"tuner": _keeper(chosen, roles)}
    return {"placement": placement, "streams": streams} | ({"links": links} if links else {}) | keeper


def _keeper(chosen: Auto, roles: Roles) -> dict[str, Any]:
    """The tuner that keeps to the plan, with all that it chooses from."""
    machines = {name for limit in chosen.limits if limit.startswith(CPU_OF) for name in _machines(limit)}
    streams = {}
    for name, wish in chosen.anything.items():
        now = chosen.assigned.plan[name]
        options = sorted(wish.options, key=lambda option: option.what != now.what)
        holding = [option.what for option in chosen.wishes[name].options]
        settings = _complete(
            [roles.settings(each.what.configuration, each.what.floor) for each in options], name, roles
        )
        streams[name] = {
            "weight": wish.weight,
            "options": [
                {
                    "f1": round(option.accuracy, 4),
                    "takes": {resource: float(f"{amount:.4g}") for resource, amount in option.demand.items()},
                    "looks_on": chosen.placement[looker_of(option.what, roles)].value,
                    "holds": option.what in holding,
                    "says": str(option.what),
                    "stages": _plain(stages),
                }
                for option, stages in zip(options, settings, strict=True)
            ],
        }
    limits = {resource: float(f"{limit:.6g}") for resource, limit in chosen.limits.items()}
    return {"type": "planned", "elsewhere": len(machines) > 1, "limits": limits, "streams": streams}


def _machines(resource: str) -> list[str]:
    return resource.removeprefix(CPU_OF).split(", ")


def _complete(every: Sequence[Mapping[str, Mapping[str, Any]]], stream: str, roles: Roles) -> list[Any]:
    """Settings that say the same things: what one of them leaves out is as the pipeline has it."""
    configs = roles.pipeline.streams[stream].configs
    plain = {stage.id: configs.get(stage.id, stage.config) for stage in roles.pipeline.stages}
    fields = {(stage, field): getattr(plain[stage], field) for each in every for stage in each for field in each[stage]}
    return [
        {
            stage: {
                field: each.get(stage, {}).get(field, value) for (of, field), value in fields.items() if of == stage
            }
            for stage in dict.fromkeys(stage for stage, _ in fields)
        }
        for each in every
    ]


def _plain(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """As YAML has it, without what is at its default anyway."""
    return {
        stage: {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
        for stage, fields in settings.items()
    }


def _lines(chosen: Auto, roles: Roles) -> Iterator[str]:
    assigned = chosen.assigned
    packed = [f"{link.name} carries {link.spec.setting}" for link in plan(chosen.pipeline).links]
    yield f"chosen: {', '.join([said(chosen.placement, roles), *packed])}"
    for placement, worth in chosen.tried.items():
        yield f"  {placement}: " + ("does not fit" if worth is None else f"worth {worth:.3f}")
    if assigned.bound is not None:
        yield f"worth {assigned.worth:.3f} of all together; no plan so placed exceeds {assigned.bound:.3f}"
    for name, option in assigned.plan.items():
        yield f"stream {name}: F1 {option.accuracy:.2f}: {option.what}; {_why(name, chosen)}"
    taken = demand_of(assigned.plan)
    for resource, limit in chosen.limits.items():
        price = assigned.prices.get(resource, 0.0)
        costs = f"one more would add {price:.3g} of F1" if price > 1e-9 else "there is enough"
        yield f"{resource}: {taken.get(resource, 0.0):.3g} of {limit:.3g}; {costs}"


def _why(camera: str, chosen: Auto) -> str:
    reason = why(camera, chosen.wishes, chosen.limits, chosen.assigned)
    if reason.better is None:
        return "nothing more accurate is known of it"
    if not reason.binds:
        return f"F1 {reason.better.accuracy:.2f} would take what is worth more elsewhere"
    return f"F1 {reason.better.accuracy:.2f} needs {reason.lacking:.3g} more {reason.binds}"


def _refusal(chosen: Auto) -> str:
    taken = demand_of(chosen.assigned.plan)
    ratio = {name: taken.get(name, 0.0) / limit for name, limit in chosen.limits.items()}
    tight = max(ratio, key=lambda name: ratio[name])
    return (
        f"no plan fits: {tight} must be {taken[tight]:.3g} at least where {chosen.limits[tight]:.3g} can be planned "
        "with, with the cheapest that keeps to the floors of the streams: lower floors, fewer cameras, or more of it"
    )


def _as_json(chosen: Auto, roles: Roles) -> dict[str, Any]:
    return {
        "placement": {stage: tier.value for stage, tier in chosen.placement.items()},
        "worth": chosen.assigned.worth,
        "bound": chosen.assigned.bound,
        "prices": dict(chosen.assigned.prices),
        "limits": dict(chosen.limits),
        "streams": {
            name: {"f1": option.accuracy, "what": str(option.what), "demand": dict(option.demand)}
            for name, option in chosen.assigned.plan.items()
        },
        "placements": dict(chosen.tried),
    }
