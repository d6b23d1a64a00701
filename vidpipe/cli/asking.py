"""The subcommands about what becomes of results: `vidpipe events`, `counts`, `replay`, `results`, `sinks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.options import (
    AgainstOption,
    ConfigOption,
    EventsOption,
    OptionalPipelineArgument,
    PipelineArgument,
    ResultsOption,
    SetOption,
)

StoreOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.db",
        help="Default: $VIDPIPE_STORE, or ~/.local/share/vidpipe/store.db.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="1h, 7d before now, or a date: 2026-11-30, 2026-11-30T08:00.")
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="The same.", show_default=False)]
StreamOption = Annotated[str | None, typer.Option(help="Name of a stream.", show_default=False)]
ClassOption = Annotated[str | None, typer.Option("--class", metavar="CLASS", help="Of objects.", show_default=False)]
ZoneOption = Annotated[str | None, typer.Option(help="Name of a zone.", show_default=False)]
LineOption = Annotated[str | None, typer.Option(help="Name of a line.", show_default=False)]
KindOption = Annotated[
    str | None, typer.Option(help="Kind of event: zone.enter, or a pattern: 'zone.*'.", show_default=False)
]
RuleOption = Annotated[str | None, typer.Option(help="Name of a rule.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Comma-separated values.")]


def add_to(app: typer.Typer) -> None:
    """Make them commands of the app."""
    app.command()(events)
    app.command()(counts)
    app.command()(replay)
    app.command()(results)
    sinks = typer.Typer(help="Sinks of a pipeline.", no_args_is_help=True)
    sinks.command(name="test")(sinks_test)
    sinks.callback()(_sinks)
    app.add_typer(sinks, name="sinks")


def events(
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    stream: StreamOption = None,
    class_: ClassOption = None,
    zone: ZoneOption = None,
    line: LineOption = None,
    kind: KindOption = None,
    rule: RuleOption = None,
    unended: Annotated[bool, typer.Option("--unended", help="Only those that have begun and not ended.")] = False,
    verdicts: Annotated[
        bool,
        typer.Option("--verdicts", help="In place of events what people said of audits: the last stage was wrong."),
    ] = False,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="EVENT|PICTURE",
            help="Those of objects that look like that of an event, by its id, or like a picture; most alike first.",
            show_default=False,
        ),
    ] = None,
    newest: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="How many, the newest; 0: all. With --like the most alike. Default: 100 in a table, else all; with "
            "--like 20.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Show the events of a store: what happened when, and where."""
    from vidpipe.cli.commands.events import Filter, form_of, show_alike, show_events, show_verdicts

    asked = Filter(store, since, until, stream, class_, zone, line, kind, rule)
    form = form_of(json=json, csv=csv)
    if verdicts:
        raise typer.Exit(show_verdicts(asked, form, newest, others=unended or like is not None))
    if like is not None:
        raise typer.Exit(show_alike(asked, form, like, newest, unended=unended))
    raise typer.Exit(show_events(asked, form, newest, unended=unended))


def counts(
    store: StoreOption = None,
    since: SinceOption = "24h",
    until: UntilOption = None,
    stream: StreamOption = None,
    class_: ClassOption = None,
    zone: ZoneOption = None,
    line: LineOption = None,
    kind: KindOption = None,
    rule: RuleOption = None,
    every: Annotated[str, typer.Option(metavar="TIME", help="What a row stands for: 1m, 15m, 24h.")] = "1h",
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Show how many of each class were in view; with --kind, --zone, --line or --rule, how many events there were."""
    from vidpipe.cli.commands.events import Filter, form_of, show_counts

    asked = Filter(store, since, until, stream, class_, zone, line, kind, rule)
    raise typer.Exit(show_counts(asked, form_of(json=json, csv=csv), every))


def replay(
    results: ResultsOption,
    pipeline: OptionalPipelineArgument = None,
    config: ConfigOption = None,
    events: EventsOption = None,
    against: AgainstOption = None,
    set_: SetOption = None,
) -> None:
    """Hold rules against the results of an earlier run: its own, or those of a pipeline."""
    from vidpipe.cli.commands.replay import ReplayOptions, run_replay

    raise typer.Exit(run_replay(ReplayOptions(pipeline, results, config, events, against, set_ or [])))


def results(
    file: Annotated[Path, typer.Argument(metavar="RESULTS.jsonl", help="What --results of a run has written.")],
    to: Annotated[str, typer.Option(metavar="FORM", help="parquet: a row for each box.")] = "parquet",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: beside the results.", show_default=False)
    ] = None,
) -> None:
    """Write the results of a run in a form for other programs: Apache Parquet."""
    from vidpipe.cli.commands.results import run_results

    typer.echo(run_results(file, to, out))


QUESTIONS: Mapping[str, Callable[..., None]] = {"events": events, "counts": counts}
"""Commands that answer at once."""


def only(question: str, options: Callable[..., None]) -> typer.Typer:
    """An app with one of these alone, which does not wait until all other commands are made.

    Args:
        options: what the command line takes before the command.
    """
    app = typer.Typer(name="vidpipe", add_completion=False, pretty_exceptions_enable=False)
    app.callback()(options)
    app.command()(QUESTIONS[question])
    return app


def _sinks() -> None:
    """Sinks of a pipeline."""


def sinks_test(pipeline: PipelineArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Send one test event to each sink of a pipeline, and say what came of it."""
    from vidpipe.cli.commands.sinks import run_sinks_test

    raise typer.Exit(run_sinks_test(pipeline, config, set_ or []))
