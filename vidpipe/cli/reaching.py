"""The subcommands that reach a run from another shell: `vidpipe status`, `stop`, `apply`, `logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from vidpipe.cli.asking import JsonOption
from vidpipe.core.errors import ConfigError

RunArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Of the run. Default: the only one that goes on.")
]


def add_to(app: typer.Typer) -> None:
    """Make them commands of the app."""
    for command in (status, stop, apply, logs):
        app.command()(command)


def status(name: RunArgument = None, json: JsonOption = False) -> None:
    """Show how a run fares; without a name, which runs there are."""
    from vidpipe.cli.commands.runs import show_status

    raise typer.Exit(show_status(name, json=json))


def stop(
    name: RunArgument = None,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest to wait for its end.")] = 30,
    forget: Annotated[
        bool, typer.Option("--forget", help="Its name and log, too; also of one that has ended.")
    ] = False,
) -> None:
    """End a run in order: what was read is answered, and results and report are complete."""
    from vidpipe.cli.commands.runs import stop_run

    raise typer.Exit(stop_run(name, wait, forget=forget))


def apply(
    name: RunArgument = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="STAGE.FIELD=VALUE",
            help="A setting: little.accept=0.4. Several times.",
            show_default=False,
        ),
    ] = None,
    stream: Annotated[
        list[str] | None, typer.Option(help="Of which it is changed. Several times. Default: all.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option(help="For the report.")] = "",
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.yaml",
            help="Another version of the pipeline: it takes over the cameras once it answers them.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="QUERY", help="Of a run with several: whose settings.", show_default=False)
    ] = None,
    add: Annotated[
        str | None,
        typer.Option(metavar="FILE.yaml", help="Of a run with several: another one joins.", show_default=False),
    ] = None,
    remove: Annotated[
        str | None, typer.Option(metavar="QUERY", help="Of a run with several: this one ends.", show_default=False)
    ] = None,
) -> None:
    """Change settings of a run while it goes on, its pipeline, or its queries."""
    from vidpipe.cli.commands.runs import apply_to_run, change_queries

    if add is not None or remove is not None:
        if set_ or stream or pipeline or query or (add is not None and remove is not None):
            raise ConfigError("--add and --remove stand alone, one at a time")
        raise typer.Exit(change_queries(name, add, remove))
    raise typer.Exit(apply_to_run(name, set_ or [], stream or None, reason, pipeline, query))


def logs(
    name: RunArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
) -> None:
    """Show what a run in the background has said."""
    from vidpipe.cli.commands.runs import show_logs

    raise typer.Exit(show_logs(name, follow=follow))
