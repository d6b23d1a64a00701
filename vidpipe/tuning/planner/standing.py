"""On which machines the actors of a plan will stand: chosen as a cluster chooses them, of the machines of a file.

Where there is one machine, a run has a Ray of its own or none: then all stands there, and `tiers` says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidpipe.core.errors import ConfigError
from vidpipe.core.names import references
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline import plan as plans
from vidpipe.pipeline.plan import Plan, Segment, streams_per_actor
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Tier, TierSpec
from vidpipe.runtime.machine import Machine, Standing, narrowed, taken
from vidpipe.tuning.planner.loads import Place, Shortage
from vidpipe.tuning.planner.nodes import Nodes

_ANY = TierSpec()


@dataclass(slots=True)
class Stood:
    """Where the actors of a segment stand.

    Attributes:
        nodes: one for each actor, in the order in which they are started; of very many devices not all are listed.
        actors: how many there are.
        gpus: that all of them take.
    """

    nodes: list[str] = field(default_factory=list)
    actors: int = 0
    gpus: float = 0.0


@dataclass(slots=True)
class Standings:
    """Where all actors of a plan stand.

    Attributes:
        pools: the node and the model of each detector pool.
        shortages: of GPUs.
        notes: what is not planned with.
    """

    stood: dict[Place, Stood] = field(default_factory=dict)
    pools: list[tuple[str, str]] = field(default_factory=list)
    shortages: list[Shortage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def site_of(laid: Plan, stream: str) -> str | None:
    """Where a camera stands; None: nobody says."""
    return laid.pipeline.site(stream) or None


def site_at(pipeline: Pipeline, tier: Tier, site: str | None) -> str | None:
    """Whose machines the stages of a tier stand on for a camera: above the cloud each site has its own, the cloud is
    common to all that ask for none; None: those of no site."""
    return None if tier == Tier.CLOUD and site not in pipeline.own_clouds else site


def models_of(stage: PlacedStage) -> list[str]:
    """The models that a stage names."""
    return [name for _, name in references(stage.config, "model")]


def stand(laid: Plan, nodes: Nodes, cameras: Mapping[str, int]) -> Standings:
    """Where the actors of a plan stand.

    Args:
        cameras: how many there are for each stream.

    Raises:
        ConfigError: no machine is one of a tier, or of what `tiers` says of it.
    """
    return _Standing(laid, nodes, cameras).whole()


class _Standing:
    def __init__(self, laid: Plan, nodes: Nodes, cameras: Mapping[str, int]) -> None:
        self._laid, self._nodes = laid, nodes
        self._tiers: Mapping[Tier, TierSpec] = laid.pipeline.tiers if nodes.is_cluster else {}
        # Where several are as good, Ray takes any of them: here the largest.
        largest = sorted(nodes.nodes, key=lambda name: -nodes.nodes[name].cpus * nodes.nodes[name].speed)
        # The id of a node has so many digits.
        self._names = {f"{rank:056x}": name for rank, name in enumerate(largest)}
        self._there = [nodes.nodes[name].machine(node, name) for node, name in self._names.items()]
        self._standing = Standing()
        self._devices: dict[str | None, int] = {}
        live = any(stream.spec.live for stream in laid.pipeline.streams.values())
        for site in dict.fromkeys(site_of(laid, stream) for stream in cameras):
            count = sum(number for name, number in cameras.items() if site_of(laid, name) == site)
            self._devices[site] = -(-count // streams_per_actor(laid.pipeline, live=live))
        self._found = Standings()

    def whole(self) -> Standings:
        device, *below = self._laid.segments
        for segment in self._laid.segments:  # what lacks at the upper end is told first
            for site in self._devices:
                self._able(segment.tier, site_at(self._laid.pipeline, segment.tier, site))
        for site, devices in self._devices.items():
            place = Place(device.name, site)
            self._put(device, place, devices)
            # As a cluster does: of machines that are as good the one on which the first device stands.
            near = self._found.stood[place].nodes[:1]
            for segment in reversed(below):
                place = Place(segment.name, site_at(self._laid.pipeline, segment.tier, site))
                if place not in self._found.stood:
                    able = self._able(segment.tier, place.site)
                    self._put(
                        segment, place, min(devices, len(able)) if place.site and self._nodes.is_cluster else 1, near
                    )
        order = [segment.name for segment in self._laid.segments]
        self._found.stood = dict(sorted(self._found.stood.items(), key=lambda item: order.index(item[0].segment)))
        self._pool()
        if not self._nodes.is_cluster and any(tier.setting for tier in self._laid.pipeline.tiers.values()):
            self._found.notes.append(
                "all stands on one machine: what `tiers` says of machines and GPUs counts on a cluster"
            )
        for tier, spec in self._tiers.items():
            if spec.gpus and any(segment.tier == tier for segment in self._laid.segments):
                self._found.notes.append(
                    f"tier {tier} has GPUs: a look there is taken to last as long as where it was measured, divided by "
                    "the `speed` of its node"
                )
        return self._found

    def _put(self, segment: Segment, place: Place, actors: int, near: Sequence[str] = ()) -> None:
        """Have so many actors of a segment stand somewhere."""
        able, tier = self._able(segment.tier, place.site), self._tiers.get(segment.tier, _ANY)
        where = _as_cluster_says(segment, place)
        near_node = next((node for node, name in self._names.items() if name in near), None)
        stood = self._found.stood.setdefault(place, Stood(actors=actors))
        # Without GPUs it is the same round after round.
        rounds = actors if taken(tier) or actors <= len(able) else len(able) + actors % len(able)
        for at in range(rounds):
            best = self._standing.best(able, where, tier, near_node)
            if best is None:
                self._lack_gpus(segment.tier, able, actors - at, actors, taken(tier))
                stood.nodes = stood.nodes or [self._names[able[0].node]]
                return
            self._standing.take(best, where, tier)
            stood.nodes.append(self._names[best.node])
            stood.gpus += taken(tier)

    def _pool(self) -> None:
        """A pool for each network of a tier that has pools, on each machine where an actor of it stands."""
        machines = {self._names[machine.node]: machine for machine in self._there}
        for place, stood in self._found.stood.items():
            segment = next(each for each in self._laid.segments if each.name == place.segment)
            tier = self._tiers.get(segment.tier, _ANY)
            for node in dict.fromkeys(stood.nodes) if tier.pool else ():
                for model in (name for stage in segment.stages for name in models_of(stage)):
                    if (node, model) in self._found.pools:
                        continue
                    self._found.pools.append((node, model))
                    if self._standing.take_gpus(machines[node], tier.gpus):
                        stood.gpus += tier.gpus
                    else:
                        self._lack_gpus(segment.tier, [machines[node]], 1, 1, tier.gpus, model)

    def _able(self, tier: Tier, site: str | None) -> list[Machine]:
        spec = self._tiers.get(tier, _ANY)
        able = set(self._nodes.serving(tier, site, spec))
        if not able:
            raise ConfigError(self._lacking(tier, site, spec))
        return [machine for machine in self._there if self._names[machine.node] in able]

    def _lack_gpus(
        self, tier: Tier, able: Sequence[Machine], lacking: int, of: int, gpus: float, model: str | None = None
    ) -> None:
        there = sum(machine.gpus for machine in able)
        got = there - sum(max(0.0, self._standing.free_gpus(machine)) for machine in able)
        needs = got + lacking * gpus
        has = there if needs > there else got  # parts that are left are too small
        names = ", ".join(sorted(self._names[machine.node] for machine in able))
        if model is not None:
            who = f"the detector pool of model {model} on tier {tier} takes {gpus:g}"
            mends = "a smaller `gpus`"
        else:
            who = f"{f'each of {of} actors' if of > 1 else 'the actor'} of tier {tier} takes {gpus:g}"
            mends = "a smaller `gpus`, or `pool: true`"
        advice = f"{who}: {mends}, or {lacking * gpus:g} more would do"
        self._found.shortages.append(Shortage(f"GPUs of {names}", needs, has, "GPUs", advice))

    def _lacking(self, tier: Tier, site: str | None, spec: TierSpec) -> str:
        """That no machine is there, and what would be one."""
        nodes, of_site = self._nodes.nodes, f" of site {site}" if site else ""
        if spec.machine is not None and not any(each.is_called(spec.machine) for each in self._there):
            near = did_you_mean(spec.machine, list(nodes))
            return (
                f"`tiers.{tier}` asks for the machine {spec.machine}, and no node is called so{near}: name another one "
                "there, or add it to the nodes"
            )
        change = "set their `on`"
        if spec.setting:
            change = f"change `tiers.{tier}`"
        if spec.machine is not None:
            return (
                f"node {spec.machine} is not{of_site} of tier {tier}{narrowed(spec)}, and `tiers.{tier}` asks for it: "
                f"give it what it lacks, if that is so, or {change}"
            )
        offering = self._nodes.serving(tier, site)
        if offering:
            labels = ", ".join(f"{key}: {value}" for key, value in spec.labels.items())
            asked = (labels and f"`labels: {{{labels}}}`", f"`gpus: {spec.gpus:g}`" if spec.gpus else "")
            lacks = " and ".join(filter(None, asked))
            return (
                f"no node{of_site} is of tier {tier}{narrowed(spec)}, as `tiers.{tier}` asks: give "
                f"{' or '.join(offering)} {lacks}, if that is so, or {change}"
            )
        if not site:
            return f"no node is of tier {tier}, on which stages stand: add one, or {change}"
        other = next((name for name, node in nodes.items() if tier in node.tiers and not node.site), None)
        hint = f"give {other} `site: {site}`, if it is there, or add one" if other else "add one"
        return f"no node of site {site} is of tier {tier}, on which stages stand: {hint}, or {change}"


def _as_cluster_says(segment: Segment, place: Place) -> plans.Place:
    return plans.Place(range(1), segment.name, segment.tier, place.site or "")
