"""Segments as actors: starts them from the last tier up, fetches answers, and brings dead devices back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from threading import Event, RLock
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from vidpipe.core.errors import ClusterError, RunError
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.machinery import LoadMeter, Machinery, driver
from vidpipe.results.records import Batch, Counts, Ended, Position
from vidpipe.results.usage import TreeUsage, own_cpu_s
from vidpipe.runtime.leaves import check_pictures
from vidpipe.runtime.ray import cluster
from vidpipe.runtime.ray.census import Census
from vidpipe.runtime.ray.device import Device, last_batches
from vidpipe.runtime.ray.devices import Devices
from vidpipe.runtime.ray.likeness import Hashes, hashes_of_models
from vidpipe.runtime.ray.machine_watch import MachineWatch
from vidpipe.runtime.ray.machines import Machines
from vidpipe.runtime.ray.packing import pack_arguments
from vidpipe.runtime.ray.processes import processes_of
from vidpipe.runtime.ray.replies import cause, got, is_heard, opened, tell_clocks
from vidpipe.runtime.ray.segment_actors import SegmentActors
from vidpipe.runtime.ray.standby import Standbys
from vidpipe.runtime.shadow.ask import ShadowAsk
from vidpipe.runtime.sharing import QueryShare
from vidpipe.runtime.worker import those_open
from vidpipe.sources.base import StreamInfo

log = logging.getLogger(__name__)

OPEN_S = 300.0  # longest time for models to load, or to be fetched and converted
REVIVE_S = 60.0
LEAVE_S = 10.0  # for Ray to end, once its actors have
FETCH_S = 1.0  # how long a device holds an empty answer back


class RayEngine:
    """Runs a plan on a Ray of its own, or on the one at `address`.

    Args:
        positions: where a stream stands, for when its device has to be started again.
        share: what the run has in common with the other queries of its session; None: it is alone.
    """

    waiting = False

    def __init__(
        self,
        plan: Plan,
        frame_sinks: Sequence[FrameSink] = (),
        *,
        address: str | None = None,
        positions: Callable[[str], Position],
        share: QueryShare | None = None,
    ) -> None:
        self._plan = plan
        self._address = address
        self._cluster = cluster.Cluster(plan, address)
        self._census = Census()
        self._machines = MachineWatch(joined=address is not None)
        self._load = LoadMeter()
        self._hashes: Hashes = {}  # of the files of models here
        self._standbys = Standbys(
            lambda: self._hashes, self._census.leave, wanted=address is not None and plan.pipeline.standby
        )
        machines = Machines(address, plan.pipeline.tiers)
        self._processes = processes_of(share)
        self._segments = SegmentActors(
            machines,
            self._processes,
            self._standbys,
            one_machine=address is None,
            started=lambda each: self._census.add(each.name, each.actor, each.place),
        )
        self._devices = Devices(
            machines, self._processes, self._segments, self._standbys, self._census, frame_sinks, address
        )
        self._loss: cluster.Loss | None = None
        self._positions = positions
        self._packed: bytes | None = None
        self._fetching: dict[Any, Device] = {}
        self._reviving: dict[Future[Batch], Device] = {}
        self._aside = ThreadPoolExecutor(thread_name_prefix="vidpipe-revive")
        self._lock = RLock()  # of all the above: who changes a run does so from a thread of his own
        self._hold = False
        self._stopping = False
        self._usage: TreeUsage | None = None
        self._cpu_before_s = 0.0

    def open(self, stop: Event) -> list[StreamInfo]:
        """Start Ray and the actors, and open everything; what is open by then once `stop` is set."""
        if self._address is not None:
            check_pictures(self._plan)
        if not self._cluster.open(stop):
            return []
        self.check(self._plan.pipeline)
        for group in self._plan.groups:
            self._devices.add(self._plan, self._plan.pipeline.site(group[0]), group)
        # Models load and sources open side by side.
        loading = [segment.ready.remote() for segment in self._segments.actors]
        if self._address is not None:
            self._hashes = hashes_of_models(self._plan.pipeline)
            loading += [actor.check.remote(self._hashes) for actor in self._actors()]
        opening = [device.actor.open.remote(self._positions_of(device)) for device in self._devices]
        answers = opened([*loading, *opening], OPEN_S, stop)
        if answers and self._address is not None:
            tell_clocks(self._actors())
        return those_open([info for each in answers[len(loading) :] for info in each])

    def start(self) -> None:
        self._usage = TreeUsage()
        if self._address is not None:
            self._ask_all()
            self._cpu_before_s = self._census.cpu_s()
        got([device.actor.start.remote() for device in self._devices], REVIVE_S)
        for device in self._devices:
            self._fetch(device)
        self._expect_standbys()

    def take(self, timeout_s: float, *, hold: bool = False) -> list[Batch]:
        """What devices have answered since; a device that died is started again behind its last answer.

        Args:
            hold: let recordings wait with their next answers until somebody takes without.

        Raises:
            ClusterError: Ray itself is gone, and all that ran on it.
        """
        if (loss := self._cluster.lost()) is not None:
            self._loss = loss
            raise ClusterError(f"{loss.reason}: the run cannot go on")
        self._census.go_on()
        self._machines.go_on(self._aside)
        if self._standbys.is_due() and not self._stopping:
            with self._lock:
                self._devices.stand_by(self._plan)
        with self._lock:
            self._hold = hold
            fetching, reviving = list(self._fetching), list(self._reviving)
        if fetching:
            done, _ = ray.wait(fetching, num_returns=1, timeout=timeout_s)
        else:
            done = []
            wait(reviving, timeout_s, FIRST_COMPLETED)
        with self._lock:
            batches = [self._fetched(self._fetching.pop(each), each) for each in done if each in self._fetching]
            for revived in [future for future in self._reviving if future.done()]:
                device = self._reviving.pop(revived)
                batches.append(self._taken(device, revived.result()))
                self._tell_missed(device)
        return batches

    def rest(self) -> list[Batch]:
        """What devices still answer where Ray is gone and they are not: they end their streams, within seconds."""
        if self._loss is None or not self._loss.reaches_actors:
            return []
        with self._lock:
            fetching = dict(self._fetching)
        return last_batches(fetching, FETCH_S)

    def _fetched(self, device: Device, reference: Any) -> Batch:
        try:
            batch: Batch = ray.get(reference)
        except RayActorError:
            self._revive(device)
            return Batch()
        except RayTaskError as error:
            raise cause(error) from None
        return self._taken(device, batch)

    def _revive(self, device: Device) -> None:
        if device in self._reviving.values():
            return
        self._census.died(device.actor)
        self._fetching = {reference: each for reference, each in self._fetching.items() if each is not device}
        positions = device.died(self._positions_of(device), self._waiting(device))
        log.warning("%s died; its streams go on behind their last answers", device)
        device.actor, device.below = self._standbys.in_place_of(device.actor, device.below, device.site)
        self._begin_aside(device, positions, REVIVE_S)

    def _begin_aside(self, device: Device, positions: dict[str, Position], patience_s: float) -> None:
        """Aside, as it takes seconds, in which others have answers and somebody may want to stop."""
        self._reviving[self._aside.submit(self._open, device, positions, patience_s)] = device

    def _taken(self, device: Device, batch: Batch) -> Batch:
        """Ask for more, if there is more to come."""
        device.took(batch)
        if device.streams:
            self._fetch(device)
        return batch

    def stop(self) -> None:
        self._stopping = True
        if self._loss is not None:
            return
        for device in self._devices:
            device.actor.stop.remote()

    def update(self, pipeline: Pipeline) -> None:
        """Go by other settings and know other streams from now on; a device that is away is told when it is back.

        Segments are told by the links, before the first frame that it is for.
        """
        with self._lock:
            for device in self._devices:  # first, as one that comes back must not open what the pipeline no longer has
                device.leaving.update(stream for stream in device.streams if stream not in pipeline.streams)
            self._plan = replace(self._plan, pipeline=pipeline)
            self._packed = pack_arguments(pipeline.search_paths, pipeline)
            here = [device for device in self._devices if device not in self._reviving.values()]
            telling = [device.actor.update.remote(self._packed) for device in here]
        told = [self._hears(each.actor, call, REVIVE_S) for each, call in zip(here, telling, strict=True)]
        with self._lock:
            for device, heard in zip(here, told, strict=True):
                if not heard:
                    self._revive(device)

    def check(self, pipeline: Pipeline) -> None:
        """Raises ConfigError where no machine of a cluster is there for a site; one that runs already may be away."""
        self._devices.check(replace(self._plan, pipeline=pipeline))

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Have each actor load what these settings of its stages need; one that is away does when a frame comes."""
        with self._lock:
            packed = pack_arguments(self._plan.pipeline.search_paths, dict(configs))
            preparing = [(actor, actor.prepare.remote(packed)) for actor in self._actors() if self._census.hears(actor)]
        for actor, reference in preparing:
            self._hears(actor, reference, OPEN_S)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        with self._lock:
            for device in self._devices:
                device.leaving.update(stream for stream in device.streams if stream in streams)
                device.actor.remove.remote(set(streams))

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands: on a device that has room, or on a new one."""
        with self._lock:
            for stream, position in positions.items():
                device, is_new = self._devices.with_room(self._plan, stream)
                if is_new:
                    self._begin_aside(device, {}, OPEN_S)
                device.streams.append(stream)
                device.joining[stream] = position
                if device not in self._reviving.values():
                    self._let_join(device)
            self._expect_standbys()

    def ask(self, stream: str, asks: Sequence[ShadowAsk]) -> None:
        """Have these asked of the stream's next picture, in the shadow of its own answer."""
        with self._lock:
            packed = pack_arguments(self._plan.pipeline.search_paths, stream, asks)
            for device in self._devices:
                if stream in device.streams:
                    device.actor.ask.remote(packed)

    def _let_join(self, device: Device) -> None:
        joining, device.joining = device.joining, {}
        if not self._hears(device.actor, device.actor.add.remote(joining), OPEN_S):
            self._revive(device)  # where it opens all its streams
        elif device not in self._fetching.values():
            self._fetch(device)

    def _tell_missed(self, device: Device) -> None:
        """Tell a device that is back what was asked of it meanwhile: some came when it had just been opened anew."""
        if self._packed is not None:
            telling = device.actor.update.remote(self._packed)
            if not self._hears(device.actor, telling, REVIVE_S):
                self._revive(device)
                return
        if device.leaving:
            device.actor.remove.remote(set(device.leaving))
        if device.joining:
            self._let_join(device)

    def _hears(self, actor: Any, reference: Any, timeout_s: float) -> bool:
        return is_heard(reference, timeout_s, partial(self._census.hears, actor))

    def away(self) -> Mapping[str, Mapping[str, float]]:
        with self._lock:
            away: dict[str, Mapping[str, float]] = {}
            for device in self._devices:
                own = {device.name: device.away_since} if device in self._reviving.values() else {}
                all_of_it = {**own, **self._census.away([device.actor, *device.below])}
                away |= dict.fromkeys(device.streams, all_of_it)
            return away

    def counts(self, *, fresh: bool = True) -> Counts:
        """What all actors have counted; of one that died, as far as it could tell."""
        if fresh:
            self._ask_all()
        return self._census.counts()

    def machinery(self) -> Machinery:
        """Without the lock, which may be held for as long as a device takes to open."""
        streams = [(device.actor, tuple(device.streams)) for device in self._devices]
        processes = self._census.processes([*self._standbys.devices, *self._standbys.segments], streams)
        here = driver(self._load.look(), own_cpu_s())
        return Machinery(self._machines.machines(self._census.loads()), [here, *processes])

    def cpu_s(self) -> float:
        """CPU seconds since `start`: of this process and all that it started, or of the actors on a joined cluster.

        Of actors as they last told, within a second or so: who publishes answers waits for none of them.
        """
        if self._usage is None:
            return 0.0
        used = self._usage.cpu_s()
        if self._address is not None:
            used += self._census.cpu_s() - self._cpu_before_s
        return used

    def close(self, patience_s: float) -> None:
        """Close actors, each after those that ask it; who does not end within `patience_s` is killed."""
        self._aside.shutdown(wait=False, cancel_futures=True)
        if self._devices and self._loss is None:
            until = time.monotonic() + patience_s
            devices = [*(device.actor for device in self._devices), *self._standbys.devices]
            for actors in (devices, *self._segments.levels, *([each] for each in self._standbys.segments)):
                left_s = max(0.0, until - time.monotonic())
                ray.wait([a.close.remote(left_s) for a in actors], num_returns=len(actors), timeout=left_s)
            for actor in self._actors():
                self._processes.end(actor)
        self._cluster.close(LEAVE_S)

    def _actors(self) -> list[Any]:
        """All of them, from the top down."""
        devices = [device.actor for device in self._devices]
        return [*devices, *self._standbys.devices, *self._segments.actors, *self._standbys.segments]

    def _expect_standbys(self) -> None:
        """Recordings wait for who died to be started again; their results are not late by it."""
        if any(stream.spec.live for stream in self._plan.pipeline.streams.values()):
            self._standbys.expect()

    def _ask_all(self) -> None:
        if self._usage is not None and self._loss is None:  # else nobody is there to answer
            self._census.ask_all()

    def _fetch(self, device: Device) -> None:
        self._fetching[device.actor.take.remote(FETCH_S, self._hold)] = device

    def _waiting(self, device: Device) -> Sequence[str]:
        """Its recordings whose turn has not come: of those that have not ended, the first are open."""
        streams = self._plan.pipeline.streams
        recordings = [name for name in device.streams if name in streams and not streams[name].spec.live]
        return recordings[self._plan.at_once :]

    def _positions_of(self, device: Device) -> dict[str, Position]:
        return {stream: self._positions(stream) for stream in device.streams}

    def _open(self, device: Device, positions: dict[str, Position], patience_s: float) -> Batch:
        """Have a device that is back, or new, open its streams where they go on.

        On a cluster it is waited for until the run is stopped: its machine may be starting again. On this machine alone
        one that does not come within `patience_s` has ended for good.
        """
        said_at = began_at = time.monotonic()
        while not self._stopping:
            try:
                if self._packed is not None:  # it was made for other streams
                    ray.get(device.actor.update.remote(self._packed), timeout=REVIVE_S)
                staying = {stream: at for stream, at in positions.items() if stream not in device.leaving}
                ray.get(device.actor.open.remote(staying), timeout=REVIVE_S)
                ray.get(device.actor.start.remote(), timeout=REVIVE_S)
                ended = [Ended(stream) for stream in positions if stream not in staying]
                return Batch(ended=ended, begun_anew=list(staying))
            except (RayActorError, GetTimeoutError):
                now = time.monotonic()
                if self._address is None and now - began_at > patience_s:
                    gone = RunError("the device died and did not come back")
                    return Batch(ended=[Ended(stream, gone) for stream in device.streams])
                if now - said_at > REVIVE_S:
                    said_at = now
                    log.warning("%s is away for %.0f s; it is waited for", device, now - began_at)
                time.sleep(0.1)
            except RayTaskError as error:
                return Batch(ended=[Ended(stream, cause(error)) for stream in device.streams])
        return Batch(ended=[Ended(stream) for stream in device.streams])
