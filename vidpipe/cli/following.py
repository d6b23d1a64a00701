"""The subcommands about one subject on several cameras: `vidpipe follow-up`, `vidpipe cameras graph`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.asking import ClassOption, JsonOption, SinceOption, StoreOption

LikenessOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Least cosine of two that are the same. Default: as `describe` has it.", show_default=False
    ),
]
WithinOption = Annotated[str, typer.Option(metavar="TIME", help="Longest time that a way may take: 90s, 10m.")]
FadeOption = Annotated[str, typer.Option(metavar="TIME", help="Age at which an observation counts half: 1h, 7d.")]
ClockOffsetOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CAMERA=SECONDS", help="What a camera's clock is ahead by. Several times.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Make them commands of the app."""
    app.command(name="follow-up")(follow_up)
    cameras = typer.Typer(help="Cameras of a store.", no_args_is_help=True)
    cameras.command(name="graph")(graph)
    cameras.callback()(_cameras)
    app.add_typer(cameras, name="cameras")


def follow_up(
    who: Annotated[str, typer.Argument(metavar="PICTURE|EVENT", help="A picture of nothing but the object, or an id.")],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="CAMERA", help="Where it was last. Default: the event's.", show_default=False),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it left: 10m before now, or a date. Default: it is looked for.",
            show_default=False,
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Go on while a run writes the store.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Look everywhere before giving up, however unlikely.")
    ] = False,
    store: StoreOption = None,
    since: SinceOption = None,
    class_: ClassOption = None,
    likeness: LikenessOption = None,
    within: WithinOption = "10m",
    fade: FadeOption = "7d",
    clock_offset: ClockOffsetOption = None,
    json: JsonOption = False,
) -> None:
    """Follow one subject over cameras: looked for where those who leave a camera are seen next."""
    from vidpipe.cli.commands.across import AcrossOptions, FollowOptions
    from vidpipe.cli.commands.across import follow_up as follow

    options = AcrossOptions(store, since, class_, likeness, within, fade, clock_offset or (), json)
    raise typer.Exit(follow(FollowOptions(who, from_, at, live, everywhere), options))


def _cameras() -> None:
    """Cameras of a store."""


def graph(
    store: StoreOption = None,
    since: SinceOption = None,
    class_: ClassOption = None,
    likeness: LikenessOption = None,
    within: WithinOption = "10m",
    fade: FadeOption = "7d",
    clock_offset: ClockOffsetOption = None,
    ways: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what rules need whose events join alarms.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show where those who leave a camera are seen next, and how long that takes."""
    from vidpipe.cli.commands.across import AcrossOptions, show_graph

    options = AcrossOptions(store, since, class_, likeness, within, fade, clock_offset or (), json)
    raise typer.Exit(show_graph(options, ways))
