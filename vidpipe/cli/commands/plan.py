"""`vidpipe plan`: segments, actors, tiers, links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vidpipe.cli.profiles import with_profiles
from vidpipe.pipeline.plan import Place, Plan, plan
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import expand


def show_plan(
    pipeline: str, config: Path | None, sources: Sequence[str], sets: Sequence[str], profiles: Path | None
) -> None:
    """Print what a pipeline becomes; raises ConfigError as `check` would say."""
    console = Console(highlight=False)
    loaded = load(pipeline, config=config, sources=expand(*sources), sets=sets)
    laid = plan(with_profiles(loaded, profiles, console))
    actors = _table("actors", "actor", "tiers", "actors", "stages", "streams")
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
        links = _table("links", "link", "codec", "batch", "credit", "shaped")
        for link in laid.links:
            links.add_row(link.name, *_link_row(link.spec))
        console.print(links)
    console.print("on a cluster (--address) each segment has an actor of its own: a tier, or an isolated stage of it")
    if any(laid.sites):
        console.print(_on_a_cluster(laid))
    console.print(f"frames asked ahead of an open one: {laid.ahead}")
    if laid.shortened:
        console.print(laid.shortened)


def _on_a_cluster(laid: Plan) -> Table:
    """Which actors a cluster gets, and on which machines they stand."""
    table = _table("on a cluster", "actor", "machine", "actors", "streams")
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
            f"{place.tier}, of {place.site}" if place.site else str(place.tier),
            count,
            "; ".join(map(", ".join, groups)),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _link_row(spec: LinkSpec) -> tuple[str, str, str, str]:
    codec = spec.codec if spec.codec == "raw" else f"jpeg {spec.quality}" + (f", {spec.width} px" if spec.width else "")
    shaper = spec.shaper
    shaped = (
        ""
        if shaper is None
        else ", ".join(f"{key} {value}" for key, value in shaper.model_dump(exclude_defaults=True).items())
    )
    return codec, f"{spec.batch_frames} frames", f"{spec.credit_frames} frames, {spec.credit_mb:g} MB", shaped
