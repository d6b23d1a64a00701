"""The subcommand `vidpipe teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Make it a command of the app."""
    app.command()(teach)


def teach(
    event: Annotated[str, typer.Argument(help="What to call it: delivery.")],
    from_: Annotated[
        list[Path],
        typer.Option(
            "--from",
            metavar="FILE.csv|FILE.db",
            help="Marked moments: CSV, `stream,from,to,is`, or a store, in which the page keeps them. Several times; "
            "with --review the last one is CSV, and gets the answers.",
        ),
    ],
    results: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Results of the marked time. Several times, the oldest first.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.event", help="Default: EVENT.event.", show_default=False)
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What to go by, with commas. Default: boxes; without any, all that there is.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        float, typer.Option(min=0.5, max=120, metavar="SECONDS", help="How far a look reaches back.")
    ] = 2.0,
    review: Annotated[
        bool, typer.Option("--review", help="Answer the questions of runs, and see how often it errs.")
    ] = False,
    events: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.jsonl", help="With --review: what --events has written.", show_default=False),
    ] = None,
) -> None:
    """Learn an event from marked moments, for a rule of kind learnt; or ask whether it was right."""
    from vidpipe.cli.commands.teach import TeachOptions, run_review, run_teach

    options = TeachOptions(event, from_, results or [], out, features, window, events or [])
    raise typer.Exit(run_review(options) if review else run_teach(options))
