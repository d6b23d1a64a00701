"""The subcommand `vidpipe plan`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.options import (
    ConfigOption,
    EngineOption,
    MbpsOption,
    NodesOption,
    PipelinesArgument,
    ProfilesOption,
    SetOption,
    SourceOption,
)


def add_to(app: typer.Typer) -> None:
    """Make it a command of the app."""
    app.command()(plan)


def plan(
    pipeline: PipelinesArgument,
    config: ConfigOption = None,
    source: SourceOption = None,
    profiles: ProfilesOption = None,
    nodes: NodesOption = None,
    mbps: MbpsOption = None,
    streams: Annotated[
        int | None,
        typer.Option(min=1, help="Plan for so many cameras, like the pipeline's streams in turns.", show_default=False),
    ] = None,
    how_many: Annotated[bool, typer.Option("--how-many", help="Say how many cameras the machines carry.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run each stream for a while to learn what it takes here, and keep that.")
    ] = False,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="How much of each at most. Default: 60s.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="What a former run took, in place of --measure.", show_default=False),
    ] = None,
    engine: EngineOption = None,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Choose where models stand and what each tuned stream gets, so that all are worth the most."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="Where --auto writes a configuration for `run`.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    set_: SetOption = None,
) -> None:
    """Show which actors a pipeline becomes, what they are expected to take, and whether it fits."""
    from vidpipe.cli.commands.plan import PlanOptions, show_plan
    from vidpipe.runtime.engine import usual_engine

    chosen = usual_engine() if engine is None else engine.value
    place = (pipeline[0], config, source or [], set_ or [], profiles)
    options = PlanOptions(*place, chosen, nodes, mbps or [], streams, how_many=how_many, json=json)
    options = replace(options, measure=measure, for_=for_, report=report, auto=auto, out=out)
    if len(pipeline) > 1:
        from vidpipe.cli.commands.plan_queries import show_shared

        show_shared(options, pipeline)
    else:
        show_plan(options)
