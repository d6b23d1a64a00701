"""The subcommand for recordings in bulk: `vidpipe archive`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.options import AddressOption, ConfigOption, PipelineArgument, ProfilesOption, SetOption, SourceOption


def add_to(app: typer.Typer) -> None:
    """Make it a command of the app."""
    app.command()(archive)


def archive(
    pipeline: PipelineArgument,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where results go, and what is done so far: start again with it to go on."),
    ],
    source: SourceOption = None,
    list_: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="Recordings, one a line; - is stdin. Beside --source.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, each on a core. Default: one for each core.", show_default=False),
    ] = None,
    address: AddressOption = None,
    chunk: Annotated[str, typer.Option(metavar="TIME", help="Least length of a chunk: 90s, 5m, 1h.")] = "5m",
    warm_up: Annotated[
        str, typer.Option(metavar="TIME", help="What stages see before each chunk: 10s, 1m, or 0.")
    ] = "10s",
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.db", help="Keep events and counts there, for `vidpipe events|counts`.", show_default=False
        ),
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write results as Parquet, too.")] = False,
    look_ahead: Annotated[
        bool,
        typer.Option(
            "--look-ahead",
            help="Move boxes to the frames between two looks from both of them: fewer looks for the same floor. Takes "
            "a stage of type track.",
        ),
    ] = False,
    profiles: ProfilesOption = None,
    set_: SetOption = None,
) -> None:
    """Answer recordings in bulk: in chunks, side by side, and resumable after any end."""
    from vidpipe.cli.commands.archive import ArchiveOptions, run_archive_command

    place = (pipeline, config, source or [], set_ or [], list_, out)
    options = ArchiveOptions(*place, workers, address, chunk, warm_up, store, parquet, profiles, look_ahead)
    raise typer.Exit(run_archive_command(options))
