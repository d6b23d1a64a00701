"""What is taken of machines, threads and links, and which of it is more than there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vidpipe.pipeline.spec import Tier
from vidpipe.tuning.planner.nodes import Nodes

PLANNED = 0.9
"""Share of a machine, a thread and a line that is planned with: what comes in bursts needs room."""


class Place(NamedTuple):
    """Where a segment stands: on a machine, for the cameras of a site; None: of all."""

    segment: str
    site: str | None


@dataclass(slots=True)
class Load:
    """What a segment takes.

    Attributes:
        nodes: the machines on which its actors stand.
        actors: how many share its cameras out.
        cpu: cores.
        busy: of the one thread for shared stages that each actor has, the share of the time that it works.
        memory_mb: None: not known.
        frames_s: frames a second that come to its shared stages.
        wait_ms: that one of them waits there for others; infinite where more come than it can answer.
        gpus: that its actors and detector pools take.
    """

    place: Place
    tier: Tier
    nodes: tuple[str, ...]
    stages: tuple[str, ...]
    actors: int = 1
    cpu: float = 0.0
    busy: float = 0.0
    memory_mb: float | None = None
    frames_s: float = 0.0
    wait_ms: float = 0.0
    gpus: float = 0.0


@dataclass(slots=True)
class Traffic:
    """What a link between two segments carries for the cameras of a site."""

    link: str
    site: str | None
    lines: tuple[str, ...]
    frames_s: float = 0.0
    mbps: float = 0.0
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CameraNeed:
    """What the cameras that stand for one stream take, each of them.

    Attributes:
        cameras: how many there are.
        cpu: cores, on all machines together.
        latency_ms: mean time from a picture to its published result; None: not known.
        look_ms: mean time until the last stage has answered a frame that comes to it.
    """

    stream: str
    site: str | None
    cameras: int
    cpu: float
    latency_ms: float | None
    look_ms: float
    f1: float | None
    low: float | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """Something of which more is needed than there is.

    Attributes:
        what: it is, as the user calls it.
        needs, has: in `unit`.
        advice: what would make it fit.
    """

    what: str
    needs: float
    has: float
    unit: str
    advice: str

    @property
    def times(self) -> float:
        """How many times as much is needed as there is."""
        return self.needs / self.has

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.needs:.3g} {self.unit} are needed, {self.has:.3g} can be planned with "
            f"({self.times:.3g} times as much); {self.advice}"
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """All that is expected of a plan.

    Attributes:
        shortages: the tightest first; empty: it fits.
        notes: what the figures leave out.
    """

    loads: Sequence[Load]
    traffic: Sequence[Traffic]
    cameras: Sequence[CameraNeed]
    shortages: Sequence[Shortage]
    notes: Sequence[str] = field(default=())

    @property
    def cpu(self) -> float:
        """Cores, of all machines together."""
        return sum(load.cpu for load in self.loads)


def shortages(
    loads: Sequence[Load], traffic: Sequence[Traffic], nodes: Nodes, others: Iterable[Shortage] = ()
) -> list[Shortage]:
    """What does not fit, the tightest first; `others` are known already."""
    found = [*others, *_shares(loads, nodes), *_threads(loads), *_lines(traffic, nodes)]
    return sorted(found, key=lambda shortage: -shortage.times)


def _shares(loads: Sequence[Load], nodes: Nodes) -> Iterable[Shortage]:
    """Machines that have too little CPU or memory for what stands on them."""
    for names in dict.fromkeys(load.nodes for load in loads):
        here = [load for load in loads if set(load.nodes) <= set(names)]
        said = ", ".join(names)
        cpu, has = sum(load.cpu for load in here), PLANNED * sum(nodes.nodes[name].cpus for name in names)
        if cpu > has:
            would = f"{cpu / PLANNED:.3g} cpus would do, or {has / cpu:.0%} of the cameras"
            yield Shortage(f"CPU of {said}", cpu, has, "cores", would)
        memory, gb = sum(load.memory_mb or 0.0 for load in here) / 1000, [nodes.nodes[name].memory_gb for name in names]
        has = PLANNED * sum(each for each in gb if each is not None)
        if None not in gb and memory > has:
            would = f"{memory / PLANNED:.3g} GB would do"
            yield Shortage(f"memory of {said}", memory, has, "GB", would)


def _threads(loads: Sequence[Load]) -> Iterable[Shortage]:
    """Segments whose one thread has more work than time."""
    for load in loads:
        if load.busy > PLANNED:
            where = f" for site {load.place.site}" if load.place.site else ""
            yield Shortage(
                f"the thread of segment {load.place.segment}{where}",
                load.busy,
                PLANNED,
                "seconds a second",
                "its shared stages have one thread for all cameras: `threads` of a model, a faster one, fewer looks, "
                f"or {PLANNED / load.busy:.0%} of the cameras would make it fit",
            )


def _lines(traffic: Iterable[Traffic], nodes: Nodes) -> Iterable[Shortage]:
    """Lines that carry less than what would cross them."""
    taken: dict[tuple[str, str | None], float] = defaultdict(float)
    for each in traffic:
        for line in each.lines:
            taken[line, each.site] += each.mbps
    for (line, site), mbps in taken.items():
        rate = nodes.links[line].at(site).mbps
        if rate is not None and mbps > PLANNED * rate:
            where = f" of site {site}" if site else ""
            yield Shortage(
                f"link {line}{where}",
                mbps,
                PLANNED * rate,
                "mbps",
                f"{mbps / PLANNED:.3g} mbps would do, or smaller pictures (`codec: jpeg`, `width`)",
            )
