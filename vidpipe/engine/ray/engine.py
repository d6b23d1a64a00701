"""Segments as actors: starts them from the last tier up, fetches answers, and brings dead devices back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, NoReturn

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from vidpipe.engine.host import Counts, Position, those_open
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.plan import Plan, streams_per_actor
from vidpipe.engine.ray import cluster
from vidpipe.engine.ray.actors import DeviceActor, SegmentActor, pack_arguments
from vidpipe.engine.ray.census import Census
from vidpipe.engine.ray.device import Device
from vidpipe.engine.records import Batch, Ended
from vidpipe.engine.taps import Tap
from vidpipe.engine.usage import TreeUsage
from vidpipe.errors import RunError, VidpipeError
from vidpipe.sources.base import StreamInfo

log = logging.getLogger(__name__)

OPEN_S = 300.0  # longest time for models to load, or to be fetched and converted
REVIVE_S = 60.0
FETCH_S = 1.0  # how long a device holds an empty answer back
CALLS = 100  # of an actor at a time: more than links have credit for


class RayEngine:
    """Runs a plan on a Ray of its own, or on the one at `address`.

    Args:
        positions: where a stream stands, for when its device has to be started again.
    """

    def __init__(
        self,
        plan: Plan,
        taps: Sequence[Tap] = (),
        *,
        address: str | None = None,
        positions: Callable[[str], Position],
    ) -> None:
        self._plan = plan
        self._taps = tuple(taps)
        self._address = address
        self._positions = positions
        self._packed: bytes | None = None
        self._lower: Any = None
        self._segments: list[Any] = []
        self._devices: list[Device] = []
        self._fetching: dict[Any, Device] = {}
        self._reviving: dict[Future[Batch], Device] = {}
        self._aside = ThreadPoolExecutor(thread_name_prefix="vidpipe-revive")
        self._stopping = False
        self._usage: TreeUsage | None = None
        self._census = Census()
        self._cpu_before_s = 0.0

    def open(self) -> list[StreamInfo]:
        cluster.connect(self._plan, self._address)
        lower = None
        for index in range(len(self._plan.segments) - 1, 0, -1):
            lower = self._start(SegmentActor, index, self._plan, index, lower)
            self._segments.append(lower)
            self._census.add(self._plan.segments[index].name, lower)
        self._lower = lower
        for group in self._plan.groups:
            self._add_device(group)
        # Models load and sources open side by side.
        loading = [segment.ready.remote() for segment in self._segments]
        opening = [device.actor.open.remote(self._positions_of(device)) for device in self._devices]
        _get(loading, OPEN_S)
        return those_open([opened for each in _get(opening, OPEN_S) for opened in each])

    def start(self) -> None:
        self._usage = TreeUsage()
        if self._address is not None:
            self._cpu_before_s = self._actors_cpu_s()
        _get([device.actor.start.remote() for device in self._devices], REVIVE_S)
        for device in self._devices:
            self._fetch(device)

    def take(self, timeout_s: float) -> list[Batch]:
        """What devices have answered since; a device that died is started again behind its last answer."""
        self._census.go_on()
        if self._fetching:
            done, _ = ray.wait(list(self._fetching), num_returns=1, timeout=timeout_s)
        else:
            done = []
            wait(self._reviving, timeout_s, FIRST_COMPLETED)
        batches = [self._fetched(self._fetching.pop(reference), reference) for reference in done]
        for revived in [future for future in self._reviving if future.done()]:
            device = self._reviving.pop(revived)
            batches.append(self._taken(device, revived.result()))
            self._tell_missed(device)
        return batches

    def _fetched(self, device: Device, reference: Any) -> Batch:
        try:
            batch: Batch = ray.get(reference)
        except RayActorError:
            self._revive(device)
            return Batch()
        except RayTaskError as error:
            raise _cause(error) from None
        return self._taken(device, batch)

    def _revive(self, device: Device) -> None:
        if device in self._reviving.values():
            return
        self._fetching = {reference: each for reference, each in self._fetching.items() if each is not device}
        # Aside, as it takes seconds, in which others have answers and somebody may want to stop.
        positions = device.died(self._positions_of(device))
        self._reviving[self._aside.submit(self._restart, device, positions)] = device

    def _taken(self, device: Device, batch: Batch) -> Batch:
        """Ask for more, if there is more to come."""
        device.took(batch)
        if device.streams:
            self._fetch(device)
        return batch

    def stop(self) -> None:
        self._stopping = True
        for device in self._devices:
            device.actor.stop.remote()

    def update(self, pipeline: Pipeline) -> None:
        """Know other streams from now on; an actor that is away is told when it is back."""
        for device in self._devices:  # first, as one that comes back must not open what the pipeline no longer has
            device.leaving.update(stream for stream in device.streams if stream not in pipeline.streams)
        self._plan = replace(self._plan, pipeline=pipeline)
        self._packed = pack_arguments(pipeline)
        telling = [actor.update.remote(self._packed) for actor in self._actors()]
        told = [_is_heard(reference, REVIVE_S) for reference in telling]
        for device, heard in zip(self._devices, told[len(self._segments) :], strict=True):
            if not heard:
                self._revive(device)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        for device in self._devices:
            device.leaving.update(stream for stream in device.streams if stream in streams)
            device.actor.remove.remote(set(streams))

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands: on a device that has room, or on a new one."""
        for stream, position in positions.items():
            device = self._with_room(stream)
            device.streams.append(stream)
            device.joining[stream] = position
            if device not in self._reviving.values():
                self._let_join(device)

    def _let_join(self, device: Device) -> None:
        joining, device.joining = device.joining, {}
        if not _is_heard(device.actor.add.remote(joining), OPEN_S):
            self._revive(device)  # where it opens all its streams
        elif device not in self._fetching.values():
            self._fetch(device)

    def _tell_missed(self, device: Device) -> None:
        """Tell a device that is back what was asked of it meanwhile."""
        if device.leaving:
            device.actor.remove.remote(set(device.leaving))
        if device.joining:
            self._let_join(device)

    def _with_room(self, stream: str) -> Device:
        limit = streams_per_actor(self._plan.pipeline, live=self._plan.pipeline.streams[stream].spec.live)
        device = min(self._devices, key=lambda device: len(device.streams))
        if len(device.streams) < limit:
            return device
        device = self._add_device([])
        _get([device.actor.open.remote({})], OPEN_S)
        return device

    def counts(self) -> Counts:
        """What all actors have counted; of one that died, as far as it could tell."""
        self._census.ask_all()
        return self._census.counts()

    def cpu_s(self) -> float:
        """CPU seconds since `start`: of this process and all that it started, or of the actors on a joined cluster."""
        if self._usage is None:
            return 0.0
        used = self._usage.cpu_s()
        if self._address is not None:
            used += self._actors_cpu_s() - self._cpu_before_s
        return used

    def close(self, patience_s: float) -> None:
        if not ray.is_initialized():
            return
        self._aside.shutdown(wait=False, cancel_futures=True)
        for actor in self._actors():
            ray.kill(actor)
        cluster.disconnect()

    def _start(self, kind: type, index: int, *args: Any) -> Any:
        tier = self._plan.segments[index].tier
        control = {
            name: ray.method(concurrency_group="control")
            for name in ("add", "greet", "ready", "remove", "restore", "skip", "stop", "update", "word")
        }
        for name, mark in control.items():
            if hasattr(kind, name):
                mark(getattr(kind, name))
        options = cluster.placement(tier) | {"max_concurrency": CALLS, "concurrency_groups": {"control": 2}}
        return ray.remote(**options)(kind).remote(pack_arguments(*args))

    def _actors(self) -> list[Any]:
        return [*self._segments, *(device.actor for device in self._devices)]

    def _actors_cpu_s(self) -> float:
        """CPU seconds of all actors since they began; of one that is away, as last told."""
        self._census.ask_all()
        return self._census.cpu_s()

    def _add_device(self, streams: Sequence[str]) -> Device:
        device = Device(self._start(DeviceActor, 0, self._plan, self._taps, self._lower), streams)
        self._devices.append(device)
        number = len(self._devices)
        self._census.add(self._plan.segments[0].name + (f" {number}" if number > 1 else ""), device.actor)
        return device

    def _fetch(self, device: Device) -> None:
        self._fetching[device.actor.take.remote(FETCH_S)] = device

    def _positions_of(self, device: Device) -> dict[str, Position]:
        return {stream: self._positions(stream) for stream in device.streams}

    def _restart(self, device: Device, positions: dict[str, Position]) -> Batch:
        """Bring a device back, with its streams where they go on."""
        log.warning("a device with %s died; its streams go on behind their last answers", ", ".join(device.streams))
        deadline = time.monotonic() + REVIVE_S
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
                if time.monotonic() > deadline:
                    gone = RunError("the device died and did not come back")
                    return Batch(ended=[Ended(stream, gone) for stream in device.streams])
                time.sleep(0.1)
            except RayTaskError as error:
                return Batch(ended=[Ended(stream, _cause(error)) for stream in device.streams])
        return Batch(ended=[Ended(stream) for stream in device.streams])


def _get(references: Sequence[Any], timeout_s: float) -> list[Any]:
    try:
        values: list[Any] = _told(list(references), timeout_s)
        return values
    except RayActorError as error:
        _raise_died(error)


def _is_heard(reference: Any, timeout_s: float) -> bool:
    """Wait for what an actor was told while the run goes on; False where it is away, or has just come back."""
    try:
        return _told(reference, timeout_s) is not False
    except RayActorError:
        return False


def _told(references: Any, timeout_s: float) -> Any:
    """What actors said; raises RayActorError where one has died, and what went wrong in one as it was raised there."""
    try:
        return ray.get(references, timeout=timeout_s)
    except RayTaskError as error:
        raise _cause(error) from None
    except GetTimeoutError:
        raise RunError(f"an actor did not answer within {timeout_s:g} s") from None


def _cause(error: RayTaskError) -> Exception:
    """Our own error as it was raised in the actor, or what Ray tells of another one in one line."""
    cause = error.cause
    if isinstance(cause, VidpipeError):
        return cause
    return RunError(f"an actor failed: {type(cause).__name__}: {cause}".splitlines()[0])


def _raise_died(error: RayActorError) -> NoReturn:
    raise RunError(f"an actor died while it was starting: {str(error).strip().splitlines()[0]}") from None
