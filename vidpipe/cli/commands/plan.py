"""`vidpipe plan`: segments, actors, tiers, links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vidpipe.cli.profiles import with_profiles
from vidpipe.pipeline.plan import plan
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
    actors = Table(
        title="actors", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in ("actor", "tiers", "actors", "stages", "streams"):
        actors.add_column(column)
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
        links = Table(
            title="links", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        for column in ("link", "codec", "batch", "credit", "shaped"):
            links.add_column(column)
        for link in laid.links:
            links.add_row(link.name, *_link_row(link.spec))
        console.print(links)
    if laid.way_out is not None:
        stages = [stage.id for segment in laid.segments[laid.here :] for stage in segment.stages]
        console.print(f"below {laid.way_out.name}, at {laid.way_out.spec.address}: {', '.join(stages)}", soft_wrap=True)
    console.print("on a cluster (--address) each segment has an actor of its own: a tier, or an isolated stage of it")
    console.print(f"frames asked ahead of an open one: {laid.ahead}")
    if laid.shortened:
        console.print(laid.shortened)


def _link_row(spec: LinkSpec) -> tuple[str, str, str, str]:
    codec = (
        spec.codec
        if spec.codec == "raw"
        else f"{spec.codec} {spec.quality}" + (f", {spec.width} px" if spec.width else "")
    )
    shaper = spec.shaper
    shaped = (
        ""
        if shaper is None
        else ", ".join(f"{key} {value}" for key, value in shaper.model_dump(exclude_defaults=True).items())
    )
    return codec, f"{spec.batch_frames} frames", f"{spec.credit_frames} frames, {spec.credit_mb:g} MB", shaped
