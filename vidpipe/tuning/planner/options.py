"""What each camera may get where: what was tuned of it, for each way to place the models on tiers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Link, Plan, plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Tier, TierSpec
from vidpipe.tuning.budget.limits import CPU
from vidpipe.tuning.budget.offers import Offers, Setting
from vidpipe.tuning.budget.plan import Option, Wish, unbeaten
from vidpipe.tuning.floor.configuration import Roles
from vidpipe.tuning.planner.assign import Assigned, assign
from vidpipe.tuning.planner.costs import Costs, StageCost, StreamCost
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.loads import PLANNED, Expected, Shortage
from vidpipe.tuning.planner.nodes import Network, Nodes
from vidpipe.tuning.planner.standing import Standings, site_at, stand
from vidpipe.tuning.planner.supply import CPU_OF, LINE
from vidpipe.tuning.planner.ways import FEATURES, PICTURES

Placement = Mapping[str, Tier]
"""The tier of each stage, by id."""

_NO_MORE = 1e-6  # of worth: as the configuration has links, where another way to pack pictures is worth no more
_LEAST_LOOKS = 1e-3  # share of frames, under which what a look takes cannot be told from the rest


@dataclass(frozen=True, slots=True)
class Auto:
    """The best of all placements.

    Attributes:
        wishes: what keeps to the floors of the streams.
        anything: what they may get without regard to floors, for a run that has to do with less.
        limits: of each resource, as far as it is planned with.
        tried: the worth of each placement; None: nothing fits there.
    """

    placement: Placement
    pipeline: Pipeline
    wishes: Mapping[str, Wish]
    anything: Mapping[str, Wish]
    limits: Mapping[str, float]
    assigned: Assigned
    tried: Mapping[str, float | None]


def auto(roles: Roles, found: Offers, costs: Costs, nodes: Nodes) -> Auto:
    """Choose where models stand and what each camera gets, so that all together are worth the most.

    A run has one placement for all its cameras, and a link packs the pictures of all in one way: so each is tried as a
    whole. Per camera is chosen who looks, and so how far down its pictures go.

    Raises:
        ConfigError: the costs of a stream are not known, no machine is of a tier, or nothing fits anywhere.
    """
    best: Auto | None = None
    tried: dict[str, float | None] = {}
    lacking: Shortage | None = None
    for placement in placements(roles, nodes):
        there = placed(roles.pipeline, placement)
        if short := stand(plan(there), nodes, dict.fromkeys(there.streams, 1)).shortages:
            tried[said(placement, roles)], lacking = None, short[0]
            continue
        for what, pipeline in _linked(there, nodes, costs):
            found_here = _auto(placement, pipeline, roles, found, costs, nodes, tried)
            assigned = found_here.assigned
            tried[said(placement, roles) + what] = assigned.worth if assigned.fits else None
            if best is None or (assigned.fits, assigned.worth) > (best.assigned.fits, best.assigned.worth + _NO_MORE):
                best = found_here
    if best is None and lacking is not None:
        raise ConfigError(f"it does not fit: {lacking}")
    if best is None:
        raise ConfigError("no node is of tier device, on which the sources stand: add one to --nodes")
    return best


def _auto(
    placement: Placement,
    pipeline: Pipeline,
    roles: Roles,
    found: Offers,
    costs: Costs,
    nodes: Nodes,
    tried: Mapping[str, float | None],
) -> Auto:
    """What each camera gets where stages stand so, and links are set so."""
    laid = plan(pipeline)
    standings = stand(laid, nodes, dict.fromkeys(pipeline.streams, 1))
    wishes, anything = {}, {}
    holds = True  # what pictures lose on links may leave nothing that keeps to a floor
    for name, wish in found.anything.items():
        every = list(_options(name, wish, roles, laid, costs, nodes, standings))
        holding = {option.what for option in found.wishes[name].options}
        floor = pipeline.streams[name].spec.floor or 0.0
        kept = unbeaten(option for option in every if option.what in holding and option.accuracy >= floor)
        holds &= bool(kept)
        wishes[name] = Wish(kept or unbeaten(every), wish.weight)
        anything[name] = Wish([*kept, *(each for each in unbeaten(every) if each not in kept)], wish.weight)
    limits = limits_of(wishes, nodes)
    assigned = assign(wishes, limits)
    assigned = replace(assigned, fits=assigned.fits and holds)
    return Auto(placement, pipeline, wishes, anything, limits, assigned, tried)


def _linked(pipeline: Pipeline, nodes: Nodes, costs: Costs) -> Iterator[tuple[str, Pipeline]]:
    """The pipeline as it is, and with other ways to pack pictures on its links, in words, where a line has a limit."""
    yield "", pipeline
    laid = plan(pipeline)
    tiers = [(Tier(upper.tier), Tier(lower.tier)) for upper, lower in pairwise(laid.segments)]
    lines = {line for upper, lower in tiers for line in nodes.path(upper, lower)}
    if all(_is_free(nodes.links[line]) for line in lines):
        return
    adapting = any(link.spec.adapt for link in laid.links)
    ways = [*PICTURES, *FEATURES, *([] if adapting else [LinkSpec()])]
    given = {link.name: link.spec for link in laid.links}
    streams = [costs.streams[name] for name in pipeline.streams if name in costs.streams]
    tried = [given]
    for way in ways:
        packed = {field: getattr(way, field) for field in ("codec", "quality", "width", "split")}
        links = {
            link.name: link.spec.model_copy(update=packed)
            if all(_is_known(way, link, cost) for cost in streams)
            else link.spec
            for link in laid.links
        }
        if links not in tried:
            tried.append(links)
            yield f", {way.setting} on links", replace(pipeline, links={**pipeline.links, **links})


def _is_known(way: LinkSpec, link: Link, cost: StreamCost) -> bool:
    """Whether it is known of a stream what crosses a link so: measured, or estimated where no way was measured."""
    if way.split is not None:
        price = cost.seen.get(link.cut_model() or "", {}).get(way.setting)
        return price is not None and price.f1 is not None
    measured = cost.pictures.keys() - {LinkSpec().setting}
    return way.codec == "raw" or not measured or way.setting in measured


def _is_free(network: Network) -> bool:
    """Whether a line carries whatever comes."""
    return all(line.mbps is None for line in (network, *network.sites.values()))


def placements(roles: Roles, nodes: Nodes) -> Iterator[Placement]:
    """Every way to place the models on the tiers that have machines; what precedes them stays on the device."""
    sites = {roles.pipeline.site(name) or None for name in roles.pipeline.streams} or {None}
    tiers = [tier for tier in Tier if all(_serving(roles.pipeline, nodes, tier, site) for site in sites)]
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


def _serving(pipeline: Pipeline, nodes: Nodes, tier: Tier, site: str | None) -> bool:
    """Whether a machine is there for the stages of a tier."""
    return bool(nodes.serving(tier, site_at(pipeline, tier, site), pipeline.tiers.get(tier, TierSpec())))


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


def _options(
    stream: str, wish: Wish, roles: Roles, laid: Plan, costs: Costs, nodes: Nodes, standings: Standings
) -> Iterator[Option]:
    """The options of a wish, with what each takes of machines, threads and lines."""
    known = costs.streams.get(stream)
    if known is None:
        raise ConfigError(f"what stream {stream} takes is not known: `vidpipe plan --measure` finds out")
    pipeline = replace(laid.pipeline, streams={stream: laid.pipeline.streams[stream]})
    for option in wish.options:
        setting: Setting = option.what
        alone = replace(laid, pipeline=pipeline, links=_links_under(setting, roles, laid))
        as_set = _under(known, option, setting, roles)
        accuracy = option.accuracy * _seen(looker_of(setting, roles), alone, known)
        # The figures are of the threads that were measured: how many cameras there will be is settled by then.
        bare = costs.model_copy(update={"streams": {stream: as_set}, "models": {}, "memory": None, "run_cpu": 0.0})
        yield Option(accuracy, _demand(expect(alone, bare, nodes, standings=standings)), setting)


def _links_under(setting: Setting, roles: Roles, laid: Plan) -> tuple[Link, ...]:
    """The links, with the settings of the stages below them: one that is asked at another size is not cut."""
    fields = roles.settings(setting.configuration, setting.floor)

    def under(stage: PlacedStage) -> PlacedStage:
        return replace(stage, config=stage.config.model_copy(update=fields.get(stage.id, {})))

    return tuple(replace(link, below=tuple(map(under, link.below))) for link in laid.links)


def looker_of(setting: Setting, roles: Roles) -> str:
    """The stage that looks."""
    return roles.last if setting.configuration.looker is None or roles.little is None else roles.little


def _seen(stage: str, laid: Plan, cost: StreamCost) -> float:
    """What a stage still sees in pictures that crossed the links above it, as F1 against the pictures themselves."""
    above = [link for link in laid.links if stage in {each.id for each in link.below}]
    looks = next((each for link in above for each in link.below if each.id == stage), None)
    model = None if looks is None else looks.type.cut_model(looks.config)
    return math.prod(cost.f1_behind(link, model) for link in above)


def _under(known: StreamCost, option: Option, setting: Setting, roles: Roles) -> StreamCost:
    """What the stream takes under a configuration: in all as `tune` has measured, before looks as now."""
    in_all_ms = 1000 * option.demand[CPU] / known.fps
    looker = looker_of(setting, roles)
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
        elif name == roles.last:
            stages[name] = StageCost(asked=roles.pipeline.audit.rate, cpu_ms=own.cpu_ms, wall_ms=own.wall_ms)
        else:  # it is off, and passes on what the last stage looks at
            stages[name] = StageCost(asked=looks, cpu_ms=0.0, wall_ms=0.0)
    return known.model_copy(update={"stages": stages})


def _demand(expected: Expected) -> dict[str, float]:
    """What one camera takes of each resource, by its name: CPU of machines, the thread of a segment, a line."""
    demand: dict[str, float] = {}
    for load in expected.loads:
        cpu = CPU_OF + ", ".join(load.nodes)
        demand[cpu] = demand.get(cpu, 0.0) + load.cpu
        if load.busy:
            thread = f"thread of {load.place.segment}" + (f"@{load.place.site}" if load.place.site else "")
            demand[thread] = load.busy
    for traffic in expected.traffic:
        for line in traffic.lines:
            name = LINE + line + (f"@{traffic.site}" if traffic.site else "")
            demand[name] = demand.get(name, 0.0) + traffic.mbps
    return demand
