"""A plan in the terminal: which actors it has, and what they are expected to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from vidpipe.pipeline.plan import Link, Place, Plan
from vidpipe.runtime.transport.size import networks_behind
from vidpipe.tuning.planner.loads import Expected
from vidpipe.tuning.planner.nodes import Nodes


def print_actors(laid: Plan, console: Console) -> None:
    """Segments, actors, tiers and links."""
    actors = _table("actors", ("actor", "tiers", "actors", "stages", "streams"))
    for indices in laid.actors(one_machine=True):
        segments = [laid.segments[index] for index in indices]
        stages = [stage.id for segment in segments for stage in segment.stages]
        tiers = ", ".join(dict.fromkeys(segment.tier.value for segment in segments))
        on_device = indices[0] == 0
        actors.add_row(
            segments[0].name,
            tiers,
            str(max(1, len(laid.groups)) if on_device else 1),
            ", ".join(["sources", *stages] if on_device else stages),
            "; ".join(", ".join(group) for group in laid.groups) if on_device else "",
        )
    console.print(actors)
    if laid.links:
        links = _table("links", ("link", "codec", "batch", "credit", "shaped"))
        for link in laid.links:
            links.add_row(link.name, *_link_row(link))
        console.print(links)
    if laid.way_out is not None:
        stages = [stage.id for segment in laid.segments[laid.here :] for stage in segment.stages]
        console.print(f"below {laid.way_out.name}, at {laid.way_out.spec.address}: {', '.join(stages)}", soft_wrap=True)
    console.print("on a cluster (--address) each segment has an actor of its own: a tier, or an isolated stage of it")
    if any(laid.sites) or laid.pipeline.tiers:
        console.print(_on_a_cluster(laid))
    console.print(f"frames asked ahead of an open one: {laid.ahead}")
    if laid.shortened:
        console.print(laid.shortened)


def _on_a_cluster(laid: Plan) -> Table:
    """Which actors a cluster gets, and on which machines they stand."""
    table = _table("on a cluster", ("actor", "machine", "actors", "streams"))
    users: dict[Place, list[str]] = {}
    for site in laid.sites:
        for place in laid.way_down(site, one_machine=False):
            users.setdefault(place, []).append(site)
    for place, of in sorted(users.items(), key=lambda item: item[0].segments[0]):
        groups = [group for group in laid.groups if laid.pipeline.site(group[0]) in of]
        on_device = place.segments[0] == 0
        # Where a site has several machines for a tier below the device, they share its device actors out.
        most = 1 if not place.site or len(groups) == 1 else len(groups)
        count = str(len(groups)) if on_device else f"1 a machine, {most} at most" if most > 1 else "1"
        table.add_row(
            place.name,
            _machine(laid, place),
            count,
            "; ".join(map(", ".join, groups)),
        )
    return table


def _machine(laid: Plan, place: Place) -> str:
    """On which machines an actor may stand."""
    tier = laid.pipeline.tiers.get(place.tier)
    said = (str(place.tier), place.site and f"of {place.site}", "" if tier is None else tier.setting)
    return ", ".join(filter(None, said))


def print_expected(expected: Expected, nodes: Nodes, console: Console) -> None:
    """What a plan takes of machines and links, and what each camera costs."""
    columns = ("segment", "node", "CPU", "of", "thread busy", "waits ms", "memory MB")
    takes_gpus = any(load.gpus for load in expected.loads)
    loads = _table("expected load", columns + ("GPUs",) * takes_gpus, right=2)
    for load in expected.loads:
        cpus = sum(nodes.nodes[name].cpus for name in load.nodes)
        loads.add_row(
            load.place.segment + (f" ({load.place.site})" if load.place.site else ""),
            ", ".join(load.nodes),
            f"{load.cpu:.2f}",
            f"{cpus:g}",
            f"{load.busy:.0%}" if load.frames_s else "",
            _number(load.wait_ms) if load.frames_s else "",
            "" if load.memory_mb is None else f"{load.memory_mb:.0f}",
            *(f"{load.gpus:g}" if load.gpus else "",) * takes_gpus,
        )
    console.print(loads)
    if expected.traffic:
        links = _table("expected traffic", ("link", "frames/s", "mbps", "of", "ms"), right=1)
        for traffic in expected.traffic:
            rates = [rate for name in traffic.lines if (rate := nodes.links[name].at(traffic.site).mbps) is not None]
            links.add_row(
                traffic.link + (f" ({traffic.site})" if traffic.site else ""),
                f"{traffic.frames_s:.1f}",
                f"{traffic.mbps:.2f}",
                f"{min(rates):g}" if rates else "",
                f"{traffic.ms:.1f}",
            )
        console.print(links)
    cameras = _table("expected of each camera", ("stream", "cameras", "CPU", "result ms", "look ms", "F1"), right=1)
    for each in expected.cameras:
        cameras.add_row(
            each.stream,
            str(each.cameras),
            f"{each.cpu:.3f}",
            "" if each.latency_ms is None else _number(each.latency_ms),
            _number(each.look_ms),
            accuracy(each.f1, each.low),
        )
    console.print(cameras)
    for note in expected.notes:
        console.print(note)


def as_json(expected: Expected) -> dict[str, Any]:
    """The same for programs; a wait that never ends is null."""
    return {
        "fits": not expected.shortages,
        "cpu": expected.cpu,
        "segments": [
            {
                "segment": load.place.segment,
                "site": load.place.site,
                "tier": load.tier.value,
                "nodes": list(load.nodes),
                "stages": list(load.stages),
                "cpu": load.cpu,
                "busy": load.busy,
                "wait_ms": _finite(load.wait_ms),
                "memory_mb": load.memory_mb,
                "actors": load.actors,
                "gpus": load.gpus,
            }
            for load in expected.loads
        ],
        "links": [
            {
                "link": each.link,
                "site": each.site,
                "frames_s": each.frames_s,
                "mbps": each.mbps,
                "bytes_s": each.mbps * 1e6 / 8,
                "ms": each.ms,
            }
            for each in expected.traffic
        ],
        "cameras": [
            {
                "stream": each.stream,
                "site": each.site,
                "cameras": each.cameras,
                "cpu": each.cpu,
                "latency_ms": _finite(each.latency_ms),
                "look_ms": _finite(each.look_ms),
                "f1": each.f1,
                "f1_low": each.low,
            }
            for each in expected.cameras
        ],
        "shortages": [
            {"what": each.what, "needs": each.needs, "has": each.has, "unit": each.unit, "advice": each.advice}
            for each in expected.shortages
        ],
        "notes": list(expected.notes),
    }


def accuracy(f1: float | None, low: float | None) -> str:
    """An F1 and its lower bound; nothing where it is not known."""
    return "" if f1 is None else f"{f1:.2f}" + ("" if low is None else f" ({low:.2f} at least)")


def _number(ms: float) -> str:
    return f"{ms:.1f}" if math.isfinite(ms) else "ever longer"


def _finite(ms: float | None) -> float | None:
    return ms if ms is not None and math.isfinite(ms) else None


def _table(title: str, columns: Sequence[str], *, right: int | None = None) -> Table:
    """A plain table; numbers begin with the column `right`."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in _justified(columns, right):
        table.add_column(name, justify=justify)
    return table


def _justified(columns: Iterable[str], right: int | None) -> Iterator[tuple[str, Any]]:
    for at, name in enumerate(columns):
        yield name, "left" if right is None or at < right else "right"


def _link_row(link: Link) -> tuple[str, str, str, str]:
    spec, shaper = link.spec, link.spec.shaper
    shaped = (
        ""
        if shaper is None
        else ", ".join(f"{key} {value}" for key, value in shaper.model_dump(exclude_defaults=True).items())
    )
    adapts = ", adapts" if spec.adapt else ""
    return (
        spec.setting + _sized(link) + adapts,
        f"{spec.batch_frames} frames",
        f"{spec.credit_frames} frames, {spec.credit_mb:g} MB",
        shaped,
    )


def _sized(link: Link) -> str:
    """How large pictures are at most beyond a link that goes by the networks there."""
    if link.inputs is None:
        return ""
    networks = networks_behind(link)
    if not networks:
        return ", full size"
    width, height = (max(network.size[side] for network in networks) for side in (1, 0))
    return f", up to {width} x {height}"
