"""On which machine of a cluster the next actor stands.

A machine offers tiers as resources of its Ray node, and says with the label `site` where it is:
`ray start --resources='{"device": 1, "edge": 1}' --labels=site=north`. A site is a label and no resource, because it is
not an amount, and because labels have names, so that a message can list the sites that there are.
A tier is on every machine that offers it, or where `tiers` of a configuration says: on one machine, on those with some
labels, on those with so much of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import ray
import ray._private.worker
from ray.core.generated.gcs_pb2 import GcsNodeInfo
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.runtime.machine import LABEL, Machine, Standing, fitting, taken
from vidpipe.runtime.ray.lacks import Lack, told

SHARE = 0.001  # of a tier's resource that an actor asks for: it says where to stand, not how much it uses
_ANY = TierSpec()
_ASK_S = 30.0  # that the head may take to tell


def machines() -> list[Machine]:
    """Those that are in the cluster now.

    They are asked for by the client of this process: what `ray.nodes` goes by ends the process where a head has come
    back as another cluster meanwhile.
    """
    client = ray._private.worker.global_worker.gcs_client
    usage = client.get_all_resource_usage(timeout=_ASK_S).resource_usage_data.batch
    free = {each.node_id: each.resources_available.get("GPU", 0.0) for each in usage}
    return [
        Machine(
            node.node_id.hex(),
            node.node_manager_address,
            {tier: node.resources_total[tier] for tier in Tier if node.resources_total.get(tier, 0) >= SHARE},
            dict(node.labels),
            (node.node_name, node.node_manager_hostname),
            node.resources_total.get("GPU", 0.0),
            free.get(node.node_id, 0.0),
        )
        for node in client.get_all_node_info(timeout=_ASK_S).values()
        if node.state == GcsNodeInfo.ALIVE
    ]


class Machines:
    """Chooses machines for the actors of a run; each time of those that are there then.

    Actors of a kind are shared out evenly, by how much of their tier a machine offers. Each keeps to its machine as
    long as that is there; afterwards Ray starts it on another one of the same site and tier, or when one comes.

    Args:
        address: of the cluster; None: it is a Ray of our own, which is one machine, and all sites stand there.
        tiers: which machines they are on; one not named here is on any that offers it.
    """

    def __init__(self, address: str | None, tiers: Mapping[Tier, TierSpec]) -> None:
        self._address = address
        self._tiers = tiers
        self._standing = Standing()

    def check(self, places: Iterable[Place]) -> None:
        """Raises ConfigError where no machine is there for one of these places, with what to start.

        Args:
            places: one that several actors take stands there as often.
        """
        if self._address is None:
            return
        there, standing = machines(), Standing()
        lacks = []
        for place in places:
            tier = self._tier(place)
            if (best := standing.best(fitting(there, place, tier), place, tier)) is not None:
                standing.take(best, place, tier)
                there = [_with_less(each, taken(tier)) if each is best else each for each in there]
            else:
                lacks.append(Lack(place, tier))
        if lacks:
            raise ConfigError(told(lacks, there, self._join_address()))

    def count(self, place: Place) -> int:
        """How many there are for a place now."""
        return 1 if self._address is None else len(fitting(machines(), place, self._tier(place)))

    def has_room(self, place: Place) -> bool:
        """Whether one more actor of a place finds what it takes of a GPU."""
        tier = self._tier(place)
        if self._address is None or not taken(tier):
            return True
        return self._standing.best(fitting(machines(), place, tier), place, tier) is not None

    def options(self, place: Place, near: str | None = None) -> tuple[dict[str, Any], str | None]:
        """Where the next actor of a place stands: options for Ray, and its node, if one is there.

        It restarts for ever, and Ray never repeats a call of it.

        Args:
            near: the node that is taken where several are as good.
        """
        resources = {place.tier.value: SHARE}
        options: dict[str, Any] = {"num_cpus": 0, "resources": resources, "max_restarts": -1, "max_task_retries": 0}
        if self._address is None:
            return options, None
        tier = self._tier(place)
        labels = dict(tier.labels) | ({LABEL: place.site} if place.site else {})
        if labels:
            options["label_selector"] = labels
        if gpus := taken(tier):
            options["num_gpus"] = gpus
        able = fitting(machines(), place, tier)
        best = self._standing.best(able, place, tier, near) or self._standing.best(able, place, _ANY, near)
        if best is None:
            return options, None
        if tier.machine is not None:
            resources[f"node:{best.address}"] = SHARE  # Ray's own: the machine is the same when its node is a new one
        self._standing.take(best, place, tier)
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(best.node, soft=True)
        return options, best.node

    def _tier(self, place: Place) -> TierSpec:
        return self._tiers.get(place.tier, _ANY)

    def _join_address(self) -> str:
        """As `ray start` takes it: "auto" is for who is on a machine of the cluster already."""
        return str(ray.get_runtime_context().gcs_address)


def _with_less(machine: Machine, gpus: float) -> Machine:
    return replace(machine, free_gpus=machine.free_gpus - gpus)
