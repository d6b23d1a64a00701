"""A machine of a cluster: what it offers, and whether an actor may stand on it.

It offers tiers as resources of its Ray node, and says with the label `site` where it is:
`ray start --resources='{"device": 1, "edge": 1}' --labels=site=north`. A site is a label and no resource, because it is
not an amount, and because labels have names, so that a message can list the sites that there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import ray
import ray._private.state

from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec

LABEL = "site"
SHARE = 0.001  # of a tier's resource that an actor asks for: it says where to stand, not how much it uses


@dataclass(frozen=True, slots=True)
class Machine:
    """A node of the cluster that is there now.

    Attributes:
        node: its id.
        address: for people.
        tiers: how much of each it offers.
        labels: of its Ray node.
        names: that it may be called by, beside its address.
        gpus: how many it has.
        free_gpus: how many of them nobody has taken.
    """

    node: str
    address: str
    tiers: Mapping[Tier, float]
    labels: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    gpus: float = 0.0
    free_gpus: float = 0.0

    def __str__(self) -> str:
        where = f" of {self.site}" if self.site else ""
        return f"{self.address}{where} ({', '.join(self.tiers) or 'no tier'})"

    @property
    def site(self) -> str:
        """Its label; "" where it has none."""
        return self.labels.get(LABEL, "")

    def is_called(self, name: str) -> bool:
        return name == self.address or name in self.names


def machines() -> list[Machine]:
    """Those that are there now."""
    free = ray._private.state.available_resources_per_node()
    return [
        Machine(
            node["NodeID"],
            node["NodeManagerAddress"],
            {tier: node["Resources"][tier] for tier in Tier if node["Resources"].get(tier, 0) >= SHARE},
            node.get("Labels", {}),
            (node.get("NodeName", ""), node.get("NodeManagerHostname", "")),
            node["Resources"].get("GPU", 0.0),
            free.get(node["NodeID"], {}).get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def fitting(there: Sequence[Machine], place: Place, tier: TierSpec) -> list[Machine]:
    """Those on which an actor of this place may stand; one of no site keeps away from those of sites if it can."""
    able = [
        machine
        for machine in there
        if place.tier in machine.tiers
        and (tier.machine is None or machine.is_called(tier.machine))
        and all(machine.labels.get(key) == value for key, value in tier.labels.items())
        and machine.gpus >= tier.gpus
    ]
    of_site = [machine for machine in able if machine.site == place.site]
    return of_site if of_site or place.site else able
