"""On which machine of a cluster the next actor stands.

A tier is on every machine that offers it, or where `tiers` of a configuration says: on one machine, on those with some
labels, on those with so much of a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.runtime.ray.lacks import Lack, told
from vidpipe.runtime.ray.machine import LABEL, SHARE, Machine, fitting, machines

_ANY = TierSpec()
_ROUNDING = 1e-6  # of GPUs, that sums of parts may be off


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


class Standing:
    """The actors of a run that were started, and which machine is the best for one more."""

    def __init__(self) -> None:
        self._actors: Counter[tuple[str, Tier]] = Counter()  # by node and tier
        self._gpus: Counter[str] = Counter()  # by node

    def best(self, able: Sequence[Machine], place: Place, tier: TierSpec, near: str | None = None) -> Machine | None:
        """The one with the fewest actors for what it offers; None where none has so much of a GPU left.

        Args:
            near: the node that is taken where several are as good.
        """
        with_room = [machine for machine in able if self._free(machine) >= taken(tier) - _ROUNDING]
        order = lambda each: (self._load(each, place.tier), each.node != near, each.node)  # noqa: E731
        return min(with_room, key=order, default=None)

    def take(self, machine: Machine, place: Place, tier: TierSpec) -> None:
        """One more actor of this place stands there."""
        self._actors[machine.node, place.tier] += 1
        self._gpus[machine.node] += taken(tier)  # type: ignore[assignment]

    def _free(self, machine: Machine) -> float:
        """Ray tells late what our own actors have taken; what others have, it alone knows."""
        return min(machine.free_gpus, machine.gpus - self._gpus[machine.node])

    def _load(self, machine: Machine, tier: Tier) -> float:
        return self._actors[machine.node, tier] / machine.tiers[tier]


def taken(tier: TierSpec) -> float:
    """GPUs that an actor of a tier takes itself: what is shared by all of them takes its own."""
    return 0.0 if tier.pool else tier.gpus


def _with_less(machine: Machine, gpus: float) -> Machine:
    return replace(machine, free_gpus=machine.free_gpus - gpus)
