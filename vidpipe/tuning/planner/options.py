"""What each camera may get where: what was tuned of it, for each way to place the models on tiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.spec import Pipeline, Tier
from vidpipe.tuning.budget.limits import CPU
from vidpipe.tuning.budget.offers import Offers, Setting
from vidpipe.tuning.budget.plan import Option, Wish, unbeaten
from vidpipe.tuning.floor.configuration import Roles
from vidpipe.tuning.planner.assign import Assigned, assign
from vidpipe.tuning.planner.costs import Costs, StageCost, StreamCost
from vidpipe.tuning.planner.expect import expect, site_at
from vidpipe.tuning.planner.loads import PLANNED, Expected
from vidpipe.tuning.planner.nodes import Nodes

Placement = Mapping[str, Tier]
"""The tier of each stage, by id."""

_LEAST_LOOKS = 1e-3  # share of frames, under which what a look takes cannot be told from the rest


@dataclass(frozen=True, slots=True)
class Auto:
    """The best of all placements.

    Attributes:
        limits: of each resource, as far as it is planned with.
        tried: the worth of each placement; None: nothing fits there.
    """

    placement: Placement
    pipeline: Pipeline
    wishes: Mapping[str, Wish]
    limits: Mapping[str, float]
    assigned: Assigned
    tried: Mapping[str, float | None]


def auto(roles: Roles, found: Offers, costs: Costs, nodes: Nodes) -> Auto:
    """Choose where models stand and what each camera gets, so that all together are worth the most.

    A run has one placement for all its cameras: so each is tried as a whole.

    Raises:
        ConfigError: the costs of a stream are not known, no machine is of a tier, or nothing fits anywhere.
    """
    best: Auto | None = None
    tried: dict[str, float | None] = {}
    for placement in placements(roles, nodes):
        pipeline = placed(roles.pipeline, placement)
        laid = plan(pipeline)
        wishes = {name: _wish(name, wish, roles, laid, costs, nodes) for name, wish in found.wishes.items()}
        limits = limits_of(wishes, nodes)
        assigned = assign(wishes, limits)
        tried[said(placement, roles)] = assigned.worth if assigned.fits else None
        if best is None or (assigned.fits, assigned.worth) > (best.assigned.fits, best.assigned.worth):
            best = Auto(placement, pipeline, wishes, limits, assigned, tried)
    if best is None:
        raise ConfigError("no node is of tier device, on which the sources stand: add one to --nodes")
    return best


def placements(roles: Roles, nodes: Nodes) -> Iterator[Placement]:
    """Every way to place the models on the tiers that have machines; what precedes them stays on the device."""
    sites = {roles.pipeline.site(name) or None for name in roles.pipeline.streams} or {None}
    tiers = [tier for tier in Tier if all(nodes.serving(tier, site_at(roles.pipeline, tier, site)) for site in sites)]
    if Tier.DEVICE not in tiers:
        return
    models = [stage for stage in (roles.little, roles.last) if stage is not None]
    ids = [stage.id for stage in roles.pipeline.stages]
    first = ids.index(models[0])
    for chosen in combinations_with_replacement(tiers, len(models)):
        by_model = dict(zip(models, chosen, strict=True))
        placement, tier = {}, Tier.DEVICE
        for at, stage in enumerate(ids):
            tier = by_model.get(stage, tier) if at >= first else Tier.DEVICE
            placement[stage] = tier
        yield placement


def placed(pipeline: Pipeline, placement: Placement) -> Pipeline:
    """The pipeline with its stages on these tiers, and the links that there are then."""
    stages = tuple(replace(stage, tier=placement[stage.id]) for stage in pipeline.stages)
    moved = replace(pipeline, stages=stages)
    there = {link.name for link in plan(moved).links}
    return replace(moved, links={name: spec for name, spec in pipeline.links.items() if name in there})


def said(placement: Placement, roles: Roles) -> str:
    """Where the models stand."""
    return ", ".join(f"{stage} on {placement[stage]}" for stage in (roles.little, roles.last) if stage is not None)


def limits_of(wishes: Mapping[str, Wish], nodes: Nodes) -> dict[str, float]:
    """How much of each resource that some option takes can be planned with."""
    taken = {name for wish in wishes.values() for option in wish.options for name in option.demand}
    limits: dict[str, float] = {}
    for resource in sorted(taken):
        kind, _, which = resource.partition(" of ")
        if kind == "CPU":
            limits[resource] = PLANNED * sum(nodes.nodes[name].cpus for name in which.split(", "))
        elif kind == "thread":
            limits[resource] = PLANNED
        elif (rate := _rate(which, nodes)) is not None:
            limits[resource] = PLANNED * rate
    return limits


def _rate(which: str, nodes: Nodes) -> float | None:
    line, _, site = which.partition("@")
    return nodes.links[line].at(site or None).mbps


def _wish(stream: str, wish: Wish, roles: Roles, laid: Plan, costs: Costs, nodes: Nodes) -> Wish:
    known = costs.streams.get(stream)
    if known is None:
        raise ConfigError(f"what stream {stream} takes is not known: `vidpipe plan --measure` finds out")
    alone = replace(laid, pipeline=replace(laid.pipeline, streams={stream: laid.pipeline.streams[stream]}))
    options = []
    for option in wish.options:
        setting: Setting = option.what
        as_set = _under(known, option, setting, roles)
        # The figures are of the threads that were measured: how many cameras there will be is settled by then.
        bare = costs.model_copy(update={"streams": {stream: as_set}, "models": {}, "memory": None, "run_cpu": 0.0})
        options.append(Option(option.accuracy, _demand(expect(alone, bare, nodes)), setting))
    return Wish(unbeaten(options), wish.weight)


def _under(known: StreamCost, option: Option, setting: Setting, roles: Roles) -> StreamCost:
    """What the stream takes under a configuration: in all as `tune` has measured, before looks as now."""
    in_all_ms = 1000 * option.demand[CPU] / known.fps
    looker = roles.last if setting.configuration.looker is None else roles.little
    before = [name for name in known.stages if name not in (roles.last, roles.little)]
    head_ms = min(known.other_ms + known.cpu_ms(before), in_all_ms)
    looks = max(setting.looks, _LEAST_LOOKS)
    stages = dict(known.stages)
    for name in (roles.little, roles.last):
        if name is None:
            continue
        own = stages[name]
        if name == looker:
            look_ms = (in_all_ms - head_ms) / looks
            stages[name] = StageCost(asked=looks, cpu_ms=look_ms, wall_ms=look_ms)
        else:
            checks = roles.pipeline.audit.rate if name == roles.last else 0.0
            stages[name] = StageCost(asked=checks, cpu_ms=own.cpu_ms, wall_ms=own.wall_ms)
    return known.model_copy(update={"stages": stages})


def _demand(expected: Expected) -> dict[str, float]:
    """What one camera takes of each resource, by its name: CPU of machines, the thread of a segment, a line."""
    demand: dict[str, float] = {}
    for load in expected.loads:
        cpu = f"CPU of {', '.join(load.nodes)}"
        demand[cpu] = demand.get(cpu, 0.0) + load.cpu
        if load.busy:
            thread = f"thread of {load.place.segment}" + (f"@{load.place.site}" if load.place.site else "")
            demand[thread] = load.busy
    for traffic in expected.traffic:
        for line in traffic.lines:
            name = f"mbps of {line}" + (f"@{traffic.site}" if traffic.site else "")
            demand[name] = demand.get(name, 0.0) + traffic.mbps
    return demand
