"""Which machines of a cluster are there, and since when the others are away, as a run sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future

from vidpipe.pipeline.spec import Tier
from vidpipe.results.machinery import Load, LoadMeter, MachineNow, this_machine
from vidpipe.runtime.machine import Machine
from vidpipe.runtime.ray.machines import machines

LOOK_EVERY_S = 2.0


class MachineWatch:
    """Looks aside at the nodes of a Ray, since one that is being lost answers late, and nothing waits for that.

    A machine that comes back is a new node of Ray. It takes the place of one of the same name, address, site and tiers
    that is away; who was away before the run began is nobody whom the run has missed.

    Args:
        joined: whether it is a cluster; else a Ray of our own, which is this machine alone.
        there: those that are there now.
    """

    def __init__(self, *, joined: bool, there: Callable[[], Sequence[Machine]] = machines) -> None:
        self._joined = joined
        self._look = there
        self._looking: Future[Sequence[Machine]] | None = None
        self._looked_at = float("-inf")
        self._there: Mapping[str, Machine] = {}  # by node
        self._away: Mapping[str, tuple[Machine, float]] = {}
        self._own_load = LoadMeter()

    def go_on(self, aside: Executor) -> None:
        """Have somebody look when it is time again; never waits."""
        if not self._joined:
            return
        if self._looking is None and time.monotonic() - self._looked_at > LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            self._looking = aside.submit(self._look)
        if self._looking is not None and self._looking.done():
            looked, self._looking = self._looking, None
            if looked.exception() is None:  # else Ray does not tell, which says nothing of its machines
                self.note(looked.result(), time.time())

    def note(self, there: Sequence[Machine], now: float) -> None:
        """These are there, by UTC seconds."""
        before, self._there = self._there, {each.node: each for each in there}
        away = {node: gone for node, gone in self._away.items() if node not in self._there}
        away |= {node: (machine, now) for node, machine in before.items() if node not in self._there}
        for machine in (each for node, each in self._there.items() if node not in before):
            back = next((node for node, (gone, _) in away.items() if _known_as(gone) == _known_as(machine)), None)
            if back is not None:
                del away[back]
        self._away = away

    def machines(self, loads: Mapping[str, Load]) -> list[MachineNow]:
        """Those that are there, and behind them those that are away.

        Args:
            loads: by node, where an actor has told.
        """
        if not self._joined:
            return [this_machine(self._own_load.look(), [str(tier) for tier in Tier])]
        there = [_now(each, loads.get(node)) for node, each in self._there.items()]
        away = [_now(each, None, since) for each, since in self._away.values()]
        return sorted(there, key=_order) + sorted(away, key=_order)


def _now(machine: Machine, load: Load | None, away_since: float | None = None) -> MachineNow:
    name = next((name for name in reversed(machine.names) if name), machine.address)
    tiers = tuple(str(tier) for tier in machine.tiers)
    return MachineNow(
        name,
        machine.address,
        tiers,
        machine.site,
        away_since,
        load.cores if load else None,
        load.cpu if load else None,
        load.memory_bytes if load else None,
        load.memory_used_bytes if load else None,
        machine.gpus,
        machine.free_gpus,
    )


def _known_as(machine: Machine) -> tuple[object, ...]:
    return machine.names, machine.address, machine.site, tuple(machine.tiers)


def _order(machine: MachineNow) -> tuple[object, ...]:
    return machine.site, machine.tiers, machine.name
