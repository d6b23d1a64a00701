"""The actors below the devices: a tree, of which each site has its own branch, and the cloud is the root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from vidpipe.pipeline.plan import Place, Plan
from vidpipe.runtime.ray.actors import SegmentActor
from vidpipe.runtime.ray.machines import Machines
from vidpipe.runtime.ray.packing import pack_arguments
from vidpipe.runtime.ray.processes import Processes
from vidpipe.runtime.ray.standby import Standbys


class Started(NamedTuple):
    """An actor that was started.

    Attributes:
        name: what messages call it.
        place: what it runs.
        standby: how Ray knows its standby; "": it has none.
        again: starts another one like it, under the name of its standby.
    """

    name: str
    actor: Any
    place: Place
    standby: str
    again: Callable[[], Any]


class SegmentActors:
    """Starts an actor when the first device needs it, those further down before it.

    Where a site has several machines for a tier, as many actors share its devices out. A device keeps to one of them,
    as stages there know its streams.

    Args:
        processes: in which they stand.
        standbys: names the standby of each.
        started: is told of each new one.
    """

    def __init__(
        self,
        machines: Machines,
        processes: Processes,
        standbys: Standbys,
        *,
        one_machine: bool,
        started: Callable[[Started], None],
    ) -> None:
        self._machines = machines
        self._processes = processes
        self._standbys = standbys
        self._one_machine = one_machine
        self._tell = started
        self._levels: dict[int, dict[str, Started]] = {}  # by the first of their segments, then by name
        self._with_standby: set[str] = set()  # names

    @property
    def levels(self) -> list[list[Any]]:
        """All actors from the top down: each asks only those of later lists."""
        return [[each.actor for each in self._levels[start].values()] for start in sorted(self._levels)]

    @property
    def actors(self) -> list[Any]:
        """All of them."""
        return [actor for level in self.levels for actor in level]

    def stand_by(self) -> list[Started]:
        """Start a standby for each of them that was given none yet, where there is room for one."""
        lacking = [
            each
            for start in sorted(self._levels)
            for each in self._levels[start].values()
            if each.name not in self._with_standby and self._machines.has_room(each.place)
        ]
        self._with_standby.update(each.name for each in lacking)
        return [each._replace(actor=each.again()) for each in lacking]

    def below(self, plan: Plan, site: str, number: int, near: str | None) -> list[Started]:
        """The actors below a device of this site, from the top down.

        Args:
            plan: as it is now.
            number: of the device among those of its site.
            near: the node on which it stands.
        """
        way: list[Started] = []
        for place in reversed(plan.way_down(site, one_machine=self._one_machine)[1:]):
            way.insert(0, self._at(plan, place, number, near, way))
        return way

    def _at(self, plan: Plan, place: Place, number: int, near: str | None, below: Sequence[Started]) -> Started:
        share = number % max(1, self._machines.count(place)) if place.site else 0
        name = numbered(place.name, share)
        level = self._levels.setdefault(place.segments[0], {})
        if name not in level:
            make = partial(self._start, plan, place, name, near, tuple(below))
            standby = self._standbys.name(name)
            level[name] = Started(name, make(), place, standby, partial(make, standby))
            self._tell(level[name])
        return level[name]

    def _start(
        self, plan: Plan, place: Place, name: str, near: str | None, below: Sequence[Started], standby: str = ""
    ) -> Any:
        options, _ = self._machines.options(place, near)
        options |= {"name": standby} if standby else {}
        return self._processes.start(SegmentActor, name, options, packed_for(plan, place, below))


def packed_for(plan: Plan, place: Place, below: Sequence[Started], *first: Any) -> bytes:
    """What an actor at a place is made with, above others.

    Args:
        first: arguments of its kind before the plan.
    """
    name, lower, standby = (below[0].name, below[0].actor, below[0].standby) if below else ("", None, "")
    links = [
        replace(link, leads_to=name) if index == place.segments[-1] else link for index, link in enumerate(plan.links)
    ]
    plan = replace(plan, links=tuple(links))
    return pack_arguments(plan.pipeline.search_paths, *first, plan, place.segments, lower, standby)


def numbered(name: str, index: int) -> str:
    """What messages call one of several actors; the first is called as if it were the only one."""
    return f"{name} {index + 1}" if index else name
