"""The subcommands that look at what there is: `vidpipe doctor`, `models`, `compress`, `probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.asking import JsonOption
from vidpipe.cli.options import ConfigOption, ProfilesOption, SetOption, SourceOption, Transport


def add_to(app: typer.Typer) -> None:
    """Make them commands of the app."""
    for command in (probe, models, compress, doctor):
        app.command()(command)


def doctor(
    pipeline: Annotated[
        str | None,
        typer.Argument(help="A pipeline file or name, whose models, streams and ports are looked at, too."),
    ] = None,
    config: ConfigOption = None,
    source: SourceOption = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Look at the Ray there, too, that a run is to join.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long to watch each camera.")] = 5,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Find what would keep vidpipe from working well here, and say what to do about it."""
    from vidpipe.cli.commands.doctor import run_doctor

    found = run_doctor(pipeline, config, source or [], set_ or [], address=address, seconds=seconds, json=json)
    raise typer.Exit(found)


def probe(
    url: Annotated[str, typer.Argument(help="A camera's address; ${env:NAME} and ${file:PATH} are looked up.")],
    seconds: Annotated[float, typer.Option(min=1, max=300, help="How long to watch.")] = 10,
    transport: Annotated[Transport, typer.Option(help="How an RTSP camera shall send.")] = Transport.AUTO,
    tls_verify: Annotated[bool, typer.Option(help="Whether its certificate must be one that is trusted.")] = True,
) -> None:
    """Watch a camera for a while: what it sends, and hints; or why it cannot be watched."""
    from vidpipe.cli.commands.probe import run_probe

    raise typer.Exit(run_probe(url, seconds=seconds, transport=transport.value, tls_verify=tls_verify))


def models(
    pipeline: Annotated[
        str | None, typer.Argument(help="A pipeline file or name. Default: all that come with vidpipe.")
    ] = None,
    config: ConfigOption = None,
    source: SourceOption = None,
    timing: Annotated[bool, typer.Option("--time/--no-time", help="Time looks, which takes seconds a model.")] = True,
    profiles: ProfilesOption = None,
    set_: SetOption = None,
) -> None:
    """List models: licence, input size, classes, and what a look costs on this machine in each precision."""
    from vidpipe.cli.commands.models import show_models

    show_models(pipeline, config, source or [], set_ or [], profiles, timing=timing)


def compress(
    model: Annotated[str, typer.Argument(help="A model's file or name; with --pipeline, the name that it has there.")],
    on: Annotated[Path, typer.Option(help="A recording of what the model will see.")],
    pipeline: Annotated[
        str | None,
        typer.Option(help="Whose model it is, and whose classes are asked for. Default: all.", show_default=False),
    ] = None,
    floor: Annotated[float, typer.Option(min=0.01, max=0.999, help="F1 to hold, against the model itself.")] = 0.98,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="How much of it: 90s, 20m. Default: all.", show_default=False),
    ] = None,
    bf16: Annotated[bool, typer.Option(help="Compute in bf16 where the CPU can.")] = True,
    mixed: Annotated[
        bool, typer.Option(help="Where int8 loses too much, keep some layers in float; to find them takes minutes.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.xml", help="Write the chosen one there.", show_default=False)
    ] = None,
) -> None:
    """Make a model smaller, and say what it loses on a recording: fewer bits, a smaller input, fewer classes."""
    from vidpipe.cli.commands.compress import CompressArguments, run_compress

    raise typer.Exit(run_compress(CompressArguments(model, on, pipeline, floor, for_, bf16, mixed, out)))
