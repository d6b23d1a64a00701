"""What no machine of a cluster offers, told with the `ray start` that mends it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from vidpipe.core.nearest import did_you_mean
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.runtime.machine import LABEL, Machine, fitting, narrowed

_RAYS = "ray.io/"  # labels that Ray gives by itself
_ADDRESS = re.compile(r"[\d.]+|.*:.*")


class Lack(NamedTuple):
    """A place on which an actor cannot stand anywhere."""

    place: Place
    tier: TierSpec


def told(lacks: Sequence[Lack], there: Sequence[Machine], address: str) -> str:
    """What is lacking, what there is instead, and what to type, in one line.

    Args:
        there: the machines of the cluster.
        address: of the cluster, as `ray start` takes it.
    """
    alike: dict[tuple[str, str], list[Lack]] = {}
    for lack in lacks:
        group = alike.setdefault((lack.place.site, lack.tier.setting), [])
        if lack.place.tier not in [other.place.tier for other in group]:
            group.append(lack)
    return "; ".join(_told(group, there, address) for group in alike.values())


def _told(lacks: Sequence[Lack], there: Sequence[Machine], address: str) -> str:
    """Of tiers that lack the same."""
    (place, tier), tiers = lacks[0], [lack.place.tier for lack in lacks]
    if able := fitting(there, place, tier):
        left = ", ".join(f"{each} has {max(0.0, each.free_gpus):g} of {each.gpus:g} free" for each in able)
        gpus = f"each actor of the tier {place.tier} takes {tier.gpus:g} of a machine's GPUs"
        return f"{gpus}, and {left}: end what takes them, or write a smaller `gpus`"
    command = _command(place.site, tier, tiers, address)
    offered = f"the tier{'s' if len(tiers) > 1 else ''} {' and '.join(tiers)}{narrowed(tier)}"
    there_is = f"; there is {', '.join(map(str, there))}"
    if tier.machine is not None:
        known = [name for machine in there for name in (*machine.names, machine.address) if name]
        if tier.machine in known:
            of_site = f" of the site {place.site}" if place.site else ""
            return f"machine {tier.machine}{of_site} does not offer {offered}{there_is}: start it anew with {command}"
        return f"no machine is called {tier.machine}{did_you_mean(tier.machine, known)}: start it with {command}"
    if not place.site:
        return f"no machine of the cluster offers {offered}{there_is if tier.setting else ''}: start one with {command}"
    sites = {machine.site for machine in there}
    near = did_you_mean(place.site, sites - {"", place.site}, listed=0) if place.site not in sites else ""
    return f"no machine of the site {place.site} offers {offered}{near}{there_is}: start one with {command}"


def _command(site: str, tier: TierSpec, tiers: Sequence[Tier], address: str) -> str:
    labels = ({LABEL: site} if site else {}) | tier.labels
    given = ",".join(f"{key}={value}" for key, value in labels.items() if not key.startswith(_RAYS))
    name = tier.machine if tier.machine is not None and not _ADDRESS.fullmatch(tier.machine) else None
    words = (
        f"ray start --address={address} --resources='{json.dumps(dict.fromkeys(tiers, 1))}'",
        f"--num-gpus={math.ceil(tier.gpus)}" if tier.gpus else "",
        given and f"--labels={given}",
        name and f"--node-name={name}",
    )
    return " ".join(filter(None, words))
