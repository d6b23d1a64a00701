"""The machines of a cluster: what they offer, and on which of them the next actor stands.

A machine offers tiers as resources of its Ray node, and says with the label `site` where it is:
`ray start --resources='{"device": 1, "edge": 1}' --labels=site=north`. A site is a label and no resource, because it is
not an amount, and because labels have names, so that a message can list the sites that there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier

LABEL = "site"
SHARE = 0.001  # of a tier's resource that an actor asks for: it says where to stand, not how much it uses


@dataclass(frozen=True, slots=True)
class Machine:
    """A node of the cluster that is there now.

    Attributes:
        node: its id.
        address: for people.
        site: its label; "" where it has none.
        tiers: how much of each it offers.
    """

    node: str
    address: str
    site: str
    tiers: Mapping[Tier, float]

    def __str__(self) -> str:
        where = f" of {self.site}" if self.site else ""
        return f"{self.address}{where} ({', '.join(self.tiers) or 'no tier'})"


class Machines:
    """Chooses machines for the actors of a run; each time of those that are there then.

    Actors of a kind are shared out evenly, by how much of their tier a machine offers. Each keeps to its machine as
    long as that is there; afterwards Ray starts it on another one of the same site and tier, or when one comes.

    Args:
        address: of the cluster; None: it is a Ray of our own, which is one machine, and all sites stand there.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._standing: Counter[tuple[str, Tier]] = Counter()  # actors that were started, by node and tier

    def check(self, places: Iterable[Place]) -> None:
        """Raises ConfigError where no machine is there for one of these places, with what to start."""
        if self._address is None:
            return
        there = machines()
        lacking: dict[str, list[Tier]] = {}
        for place in places:
            tiers = lacking.setdefault(place.site, [])
            if place.tier not in tiers and not fitting(there, place):
                tiers.append(place.tier)
        said = [_lack(site, tiers, there, self._join_address()) for site, tiers in lacking.items() if tiers]
        if said:
            raise ConfigError("; ".join(said))

    def count(self, place: Place) -> int:
        """How many there are for a place now."""
        return 1 if self._address is None else len(fitting(machines(), place))

    def options(self, place: Place, near: str | None = None) -> tuple[dict[str, Any], str | None]:
        """Where the next actor of a place stands: options for Ray, and its node, if one is there.

        It restarts for ever, and Ray never repeats a call of it.

        Args:
            near: the node that is taken where several are as good.
        """
        options: dict[str, Any] = {
            "num_cpus": 0,
            "resources": {place.tier.value: SHARE},
            "max_restarts": -1,
            "max_task_retries": 0,
        }
        if self._address is None:
            return options, None
        if place.site:
            options["label_selector"] = {LABEL: place.site}
        able = fitting(machines(), place)
        if not able:
            return options, None
        best = min(able, key=lambda machine: (self._load(machine, place.tier), machine.node != near, machine.node))
        self._standing[best.node, place.tier] += 1
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(best.node, soft=True)
        return options, best.node

    def _load(self, machine: Machine, tier: Tier) -> float:
        return self._standing[machine.node, tier] / machine.tiers[tier]

    def _join_address(self) -> str:
        """As `ray start` takes it: "auto" is for who is on a machine of the cluster already."""
        return str(ray.get_runtime_context().gcs_address)


def machines() -> list[Machine]:
    """Those that are there now."""
    return [
        Machine(
            node["NodeID"],
            node["NodeManagerAddress"],
            node.get("Labels", {}).get(LABEL, ""),
            {tier: node["Resources"][tier] for tier in Tier if node["Resources"].get(tier, 0) >= SHARE},
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def fitting(there: Sequence[Machine], place: Place) -> list[Machine]:
    """Those on which an actor of this place may stand; one of no site keeps away from those of sites if it can."""
    offering = [machine for machine in there if place.tier in machine.tiers]
    of_site = [machine for machine in offering if machine.site == place.site]
    return of_site if of_site or place.site else offering


def _lack(site: str, tiers: Sequence[Tier], there: Sequence[Machine], address: str) -> str:
    """What no machine offers, what there is instead, and what to start."""
    offered = f"the tier{'s' if len(tiers) > 1 else ''} {' and '.join(tiers)}"
    resources = json.dumps(dict.fromkeys(tiers, 1))
    command = f"ray start --address={address} --resources='{resources}'"
    if not site:
        return f"no machine of the cluster offers {offered}: start one with {command}"
    known = {machine.site for machine in there} - {"", site}
    near = did_you_mean(site, known, listed=0) if site not in {machine.site for machine in there} else ""
    what = f"no machine of the site {site} offers {offered}{near}"
    return f"{what}; there is {', '.join(map(str, there))}: start one with {command} --labels={LABEL}={site}"
