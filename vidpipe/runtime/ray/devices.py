"""The devices of a run: on which of them a stream begins, and what is started for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vidpipe.pipeline.plan import Place, Plan, streams_per_actor
from vidpipe.results.frame_sink import FrameSink
from vidpipe.runtime.ray.actors import DeviceActor
from vidpipe.runtime.ray.census import Census
from vidpipe.runtime.ray.device import Device
from vidpipe.runtime.ray.machines import Machines
from vidpipe.runtime.ray.processes import Processes
from vidpipe.runtime.ray.segment_actors import SegmentActors, numbered, packed_for
from vidpipe.runtime.ray.standby import Standbys


class Devices:
    """Starts device actors with those below them, and a standby for the devices of each site.

    Methods take the plan as it is at the moment.

    Args:
        processes: in which they stand.
        segments: the actors below the devices.
        census: is told of each actor.
        frame_sinks: of each device.
        address: of the cluster; None: it is a Ray of our own.
    """

    def __init__(
        self,
        machines: Machines,
        processes: Processes,
        segments: SegmentActors,
        standbys: Standbys,
        census: Census,
        frame_sinks: Sequence[FrameSink],
        address: str | None,
    ) -> None:
        self._machines = machines
        self._processes = processes
        self._segments = segments
        self._standbys = standbys
        self._census = census
        self._frame_sinks = tuple(frame_sinks)
        self._address = address
        self._devices: list[Device] = []

    def __iter__(self) -> Iterator[Device]:
        return iter(list(self._devices))

    def __bool__(self) -> bool:
        return bool(self._devices)

    def check(self, plan: Plan) -> None:
        """Raises ConfigError where no machine is there for a site of the plan that has no device yet.

        One that runs already may be away.
        """
        here = {device.site for device in self._devices}
        self._machines.check(places_of(plan, [site for site in plan.sites if site not in here]))

    def add(self, plan: Plan, site: str, streams: Sequence[str]) -> Device:
        """Start one more device of a site."""
        number = len(self._of_site(site))
        actor, below = self._start(plan, site, number)
        device = Device(actor, streams, numbered(self._place(plan, site).name, number), site, below)
        self._devices.append(device)
        self._census.add(device.name, actor, self._place(plan, site), watched=True)
        return device

    def with_room(self, plan: Plan, stream: str) -> tuple[Device, bool]:
        """The device on which a stream begins; and whether it was started for that, and has still to open."""
        pipeline = plan.pipeline
        site = pipeline.site(stream)
        device = min(self._of_site(site), key=lambda device: len(device.streams), default=None)
        # Recordings wait for their turn; and stages that share an actor with the device are not there a second time.
        place = self._place(plan, site)
        grows = pipeline.streams[stream].spec.live and len(place.segments) == 1 and self._machines.has_room(place)
        if device is not None and (not grows or len(device.streams) < streams_per_actor(pipeline, live=True)):
            return device, False
        return self.add(plan, site, []), True

    def stand_by(self, plan: Plan) -> None:
        """Start what lacks of standbys: one for each actor below the devices, and one for the devices of a site."""
        for each in self._segments.stand_by():
            self._standbys.put_segment(each.name, each.actor)
            self._census.add(each.name, each.actor, each.place)
        for site in dict.fromkeys(device.site for device in self._devices):
            if not self._standbys.has_device(site) and self._machines.has_room(self._place(plan, site)):
                actor, below = self._start(plan, site, 0)
                place = self._place(plan, site)
                self._standbys.put_device(site, place.name, actor, below)
                self._census.add(place.name, actor, place, watched=True)

    def _start(self, plan: Plan, site: str, number: int) -> tuple[Any, list[Any]]:
        """A device actor, and those below it; `number`: of it among those of its site."""
        place = self._place(plan, site)
        options, node = self._machines.options(place)
        below = self._segments.below(plan, site, number, node)
        apart = self._address is not None
        packed = packed_for(plan, place, below, self._frame_sinks, apart)
        actor = self._processes.start(DeviceActor, numbered(place.name, number), options, packed)
        return actor, [each.actor for each in below]

    def _place(self, plan: Plan, site: str) -> Place:
        return plan.way_down(site, one_machine=self._address is None)[0]

    def _of_site(self, site: str) -> list[Device]:
        return [device for device in self._devices if device.site == site]


def places_of(plan: Plan, sites: Iterable[str]) -> list[Place]:
    """Where the actors of these sites stand on a cluster; one that several actors take stands there as often."""
    places: list[Place] = []
    for site in sites:
        device, *below = plan.way_down(site, one_machine=False)
        devices = sum(plan.pipeline.site(group[0]) == site for group in plan.groups)
        places += [device] * max(1, devices) + [place for place in below if place not in places]
    return places
