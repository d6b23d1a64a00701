"""The machines that there are, and what joins them, as the file after `--nodes` has them."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.runtime.machine import LABEL, Machine, fitting

_ANY = TierSpec()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Part):
    """A machine."""

    tier: Tier | list[Tier] = Field(description="what may run there: device, edge, cloud, or a list of them")
    site: str | None = Field(default=None, description="whose cameras alone it serves; default: those of no site")
    cpus: float = Field(gt=0, description="cores that the run may use")
    memory_gb: float | None = Field(default=None, gt=0, description="memory that it may use; default: no matter")
    speed: float = Field(
        default=1.0, gt=0, description="how many times as fast as the machine that costs were measured on"
    )
    address: str | None = Field(
        default=None, min_length=1, description="that `machine` of a tier may name it by, beside its name here"
    )
    labels: dict[str, str] = Field(default={}, description="that `labels` of a tier may ask for")
    gpus: float = Field(default=0.0, ge=0, description="GPUs that the run may use")

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers of which stages may stand there."""
        return (self.tier,) if isinstance(self.tier, Tier) else tuple(self.tier)

    def machine(self, node: str, name: str) -> Machine:
        """As a cluster would have it, under this id and this name."""
        labels = self.labels | ({LABEL: self.site} if self.site else {})
        tiers = dict.fromkeys(self.tiers, 1.0)
        return Machine(node, self.address or name, tiers, labels, (name,), self.gpus, self.gpus)


class Line(_Part):
    """What a network carries between two tiers."""

    mbps: float | None = Field(default=None, gt=0, description="megabits a second; default: no matter")
    ms: float = Field(default=0.0, ge=0, description="that a picture is under way, beside its transmission")


class Network(Line):
    """The lines between two tiers: one for each site, if the cameras have sites; else one."""

    sites: dict[str, Line] = Field(default={}, description="of sites whose line is another one")

    def at(self, site: str | None) -> Line:
        """The line of a site."""
        return self.sites.get(site, self) if site is not None else self


class Nodes(_Part):
    """The whole file."""

    nodes: dict[str, Node] = Field(min_length=1, description="machines, by name")
    links: dict[str, Network] = Field(default={}, description="lines between tiers, by 'upper-lower': edge-cloud")

    @model_validator(mode="after")
    def _joins_tiers(self) -> Self:
        known = lines()
        for name in self.links:
            if name not in known:
                raise ValueError(f"links.{name}: there is no such link; there is {', '.join(known)}")
        return self

    def path(self, upper: Tier, lower: Tier) -> tuple[str, ...]:
        """The lines that a picture crosses between two tiers, as far as the file names them."""
        if upper == lower:
            return ()
        direct = f"{upper}-{lower}"
        if direct in self.links:
            return (direct,)
        return tuple(name for name in _steps(upper, lower) if name in self.links)

    @property
    def is_cluster(self) -> bool:
        """Whether there are several machines; on one sites and `tiers` make no difference."""
        return len(self.nodes) > 1

    def serving(self, tier: Tier, site: str | None, spec: TierSpec = _ANY) -> dict[str, Node]:
        """The machines on which stages of a tier may stand for the cameras of a site; None: of no site.

        Args:
            spec: to which of them a configuration narrows the tier.
        """
        if not self.is_cluster:
            return {name: node for name, node in self.nodes.items() if tier in node.tiers}
        there = [node.machine(name, name) for name, node in self.nodes.items()]
        able = fitting(there, Place(range(1), tier, tier, site or ""), spec)
        return {machine.node: self.nodes[machine.node] for machine in able}

    def limited(self, mbps: dict[str, float]) -> Nodes:
        """The same with other rates of lines; of what is not named here they stay."""
        links = dict(self.links)
        for name, rate in mbps.items():
            links[name] = links.get(name, Network()).model_copy(update={"mbps": rate, "sites": {}})
        return Nodes.model_validate({"nodes": dict(self.nodes), "links": links})


def lines() -> list[str]:
    """The names of all links between two tiers."""
    order = list(Tier)
    return [f"{upper}-{lower}" for at, upper in enumerate(order) for lower in order[at + 1 :]]


def one_machine(cpus: float, memory_gb: float, *, name: str = "this machine") -> Nodes:
    """A machine that has all tiers."""
    return Nodes(nodes={name: Node(tier=list(Tier), cpus=cpus, memory_gb=memory_gb)})


def _steps(upper: Tier, lower: Tier) -> list[str]:
    order = list(Tier)
    between = order[order.index(upper) : order.index(lower) + 1]
    return [f"{one}-{other}" for one, other in pairwise(between)]
