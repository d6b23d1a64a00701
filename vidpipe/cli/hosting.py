"""The subcommand that runs a part of a pipeline for others: `vidpipe host`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.options import ConfigOption, PipelineArgument, SetOption


def add_to(app: typer.Typer) -> None:
    """Make it a command of the app."""
    app.command()(host)


def host(
    pipeline: PipelineArgument,
    token_file: Annotated[
        Path, typer.Option(metavar="FILE", help="Holds the token that each run has to say.", show_default=False)
    ],
    listen: Annotated[
        str, typer.Option(metavar="[ADDRESS:]PORT", help="0.0.0.0:PORT lets other machines in; a port alone does not.")
    ] = "7443",
    cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pem", help="The certificate, and those it builds on.", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="The certificate's key.", show_default=False)
    ] = None,
    self_signed: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Take both from there, made where there are none.", show_default=False),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Without TLS: within this machine alone.")] = False,
    below: Annotated[
        str,
        typer.Option(
            metavar="LINK",
            help="Run what is below this link. Default: the one with an address, else the last one.",
            show_default=False,
        ),
    ] = "",
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run the lower part of a pipeline for runs on other machines, over TLS."""
    from vidpipe.cli.commands.host import HostOptions, host_pipeline

    certificate = (cert, key, self_signed, plain)
    host_pipeline(HostOptions(pipeline, config, set_ or [], listen, token_file, *certificate, below))
