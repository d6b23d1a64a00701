"""A machine, what it offers, and on which of several machines the next actor stands.

Ray's machines are known while a run is there, those of a plan from a file: both are chosen among here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec

LABEL = "site"
"""The label that says where a machine is."""

_ROUNDING = 1e-6  # of GPUs, that sums of parts may be off


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine on which actors may stand.

    Attributes:
        node: its id.
        address: for people.
        tiers: how much of each it offers.
        labels: what is said of it, its site among that.
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
        with_room = [machine for machine in able if self.free_gpus(machine) >= taken(tier) - _ROUNDING]
        order = lambda each: (self._load(each, place.tier), each.node != near, each.node)  # noqa: E731
        return min(with_room, key=order, default=None)

    def take(self, machine: Machine, place: Place, tier: TierSpec) -> None:
        """One more actor of this place stands there."""
        self._actors[machine.node, place.tier] += 1
        self.take_gpus(machine, taken(tier))

    def take_gpus(self, machine: Machine, gpus: float) -> bool:
        """So much of a machine's GPUs is taken; whether there was so much."""
        had = self.free_gpus(machine) >= gpus - _ROUNDING
        self._gpus[machine.node] += gpus  # type: ignore[assignment]
        return had

    def free_gpus(self, machine: Machine) -> float:
        """Ray tells late what our own actors have taken; what others have, it alone knows."""
        return min(machine.free_gpus, machine.gpus - self._gpus[machine.node])

    def _load(self, machine: Machine, tier: Tier) -> float:
        return self._actors[machine.node, tier] / machine.tiers[tier]


def taken(tier: TierSpec) -> float:
    """GPUs that an actor of a tier takes itself: what is shared by all of them takes its own."""
    return 0.0 if tier.pool else tier.gpus


def narrowed(tier: TierSpec) -> str:
    """Which labels and GPUs a machine of a tier needs, as the end of "a machine"; "" where it needs none."""
    labels = ", ".join(f"{key}={value}" for key, value in tier.labels.items())
    gpus = f"{math.ceil(tier.gpus)} GPU{'s' if tier.gpus > 1 else ''}" if tier.gpus else ""
    said = " and ".join(filter(None, (labels and f"the label{'s' if len(tier.labels) > 1 else ''} {labels}", gpus)))
    return said and f" with {said}"
