"""What a run stands on at one moment: machines, and the processes of the run on them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from vidpipe.core.clock import REAL, Clock


class Load(NamedTuple):
    """What is taken of a machine, and what one process takes of it.

    Attributes:
        machine: its name.
        pid: of the process.
        cores: of the machine.
        cpu: share of them that anybody uses, 0..1; None: it was looked at for the first time.
        memory_bytes, memory_used_bytes: of the machine.
        process_memory_bytes: resident memory of the process.
    """

    machine: str
    pid: int
    cores: int
    cpu: float | None
    memory_bytes: int
    memory_used_bytes: int
    process_memory_bytes: int


class LoadMeter:
    """Looks at this machine and this process, at most once a second: who asks more often gets the last look."""

    LOOK_EVERY_S = 1.0

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._looked_at: float | None = None
        self._busy: tuple[float, float] | None = None
        self._last: Load | None = None

    def look(self) -> Load:
        """The load now; `cpu` is that since the look before."""
        import psutil

        now = self._clock.monotonic()
        if self._last is not None and self._looked_at is not None and now - self._looked_at < self.LOOK_EVERY_S:
            return self._last
        times, memory, process = psutil.cpu_times(), psutil.virtual_memory(), psutil.Process()
        idle = times.idle + getattr(times, "iowait", 0.0)
        all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # which `user` holds
        cpu = None
        if self._busy is not None and all_s > self._busy[0]:
            cpu = 1 - (idle - self._busy[1]) / (all_s - self._busy[0])
        self._looked_at, self._busy = now, (all_s, idle)
        self._last = Load(
            platform.node(),
            process.pid,
            psutil.cpu_count() or 1,
            None if cpu is None else min(1.0, max(0.0, cpu)),
            memory.total,
            memory.total - memory.available,
            process.memory_info().rss,
        )
        return self._last


@dataclass(frozen=True, slots=True)
class MachineNow:
    """A machine.

    Attributes:
        name, address: of it.
        tiers: that it offers.
        site: that it belongs to; "": to none.
        away_since: UTC seconds, from which on it was not there; None: it is.
        cores, cpu, memory_bytes, memory_used_bytes: as of `Load`; None where no process of the run stands there to say.
        gpus, free_gpus: how many it has, and how many nobody has taken.
    """

    name: str
    address: str
    tiers: tuple[str, ...]
    site: str = ""
    away_since: float | None = None
    cores: int | None = None
    cpu: float | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    gpus: float = 0.0
    free_gpus: float = 0.0

    def report(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "address": self.address,
            "tiers": list(self.tiers),
            "site": self.site,
            "away_since": None if self.away_since is None else round(self.away_since, 3),
            "cores": self.cores,
            "cpu": None if self.cpu is None else round(self.cpu, 3),
            "memory_bytes": self.memory_bytes,
            "memory_used_bytes": self.memory_used_bytes,
            "gpus": self.gpus,
            "free_gpus": round(self.free_gpus, 3),
        }


class Kind(StrEnum):
    """What a process of a run is."""

    DRIVER = "driver"  # the process that the run was started in
    ACTOR = "actor"
    STANDBY = "standby"


class ProcessState(StrEnum):
    """How a process fares, as far as is known."""

    STARTING = "starting"  # it has said nothing yet
    RUNNING = "running"
    SILENT = "silent"  # it does not answer
    AWAY = "away"  # it has died, or its machine cannot be reached; another instance takes its place


@dataclass(frozen=True, slots=True)
class ProcessNow:
    """A process of a run.

    Attributes:
        name: what runs there, as in messages.
        tier: where that stands; "" where it has stages of several.
        site: that it belongs to; "": to none.
        machine, pid: where it is; "" and None where it has not told.
        streams: that are read there.
        deaths: how many of it have died so far.
        silent_s: since its last word; None: it has said none.
        cpu_s: CPU seconds since it began.
        memory_bytes: resident.
    """

    name: str
    kind: Kind
    state: ProcessState
    tier: str = ""
    site: str = ""
    machine: str = ""
    pid: int | None = None
    streams: tuple[str, ...] = ()
    deaths: int = 0
    silent_s: float | None = None
    cpu_s: float = 0.0
    memory_bytes: int | None = None

    def report(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "state": str(self.state),
            "tier": self.tier,
            "site": self.site,
            "machine": self.machine,
            "pid": self.pid,
            "streams": list(self.streams),
            "deaths": self.deaths,
            "silent_s": None if self.silent_s is None else round(self.silent_s, 1),
            "cpu_s": round(self.cpu_s, 2),
            "memory_bytes": self.memory_bytes,
        }


class Machinery(NamedTuple):
    """What a run stands on."""

    machines: Sequence[MachineNow] = ()
    processes: Sequence[ProcessNow] = ()


def this_machine(load: Load, tiers: Sequence[str]) -> MachineNow:
    """The machine of this process, where all of these tiers stand."""
    memory = load.memory_bytes, load.memory_used_bytes
    return MachineNow(load.machine, "", tuple(tiers), "", None, load.cores, load.cpu, *memory)


def driver(load: Load, cpu_s: float, *, tier: str = "", streams: Sequence[str] = ()) -> ProcessNow:
    """The process that a run was started in."""
    who = load.machine, load.pid, tuple(streams)
    return ProcessNow(
        "run", Kind.DRIVER, ProcessState.RUNNING, tier, "", *who, 0, 0.0, cpu_s, load.process_memory_bytes
    )
