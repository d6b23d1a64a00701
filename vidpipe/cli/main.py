"""The command `vidpipe`: options of every subcommand, and how errors end it."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import vidpipe
from vidpipe.cli import archiving, asking, following, hosting, logs, looking, planning, reaching, serving, teaching
from vidpipe.cli.ending import INTERRUPTED, fail, leave, usage
from vidpipe.cli.logs import LogFormat
from vidpipe.cli.options import (
    AddressOption,
    AppendOption,
    BudgetOption,
    ConfigOption,
    DetachOption,
    EngineName,
    EngineOption,
    EventsOption,
    FloorOption,
    InProcessOption,
    MediaOption,
    MetricsOption,
    NameOption,
    OutOption,
    OverwriteOption,
    PipelineArgument,
    PipelinesArgument,
    ProfilesOption,
    RotateOption,
    SearchName,
    ServeOption,
    SetOption,
    SourceOption,
    TracesOption,
    TrialsOption,
    WantName,
    WantOption,
)
from vidpipe.cli.redact import hide_addresses, without_addresses
from vidpipe.core.errors import VidpipeError

app = typer.Typer(
    name="vidpipe",
    help="Answer every frame of many cameras from the cheapest stage that can be trusted.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Typer does not export what it raises of a wrong command line, and from 0.26 on it is not click's either.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vidpipe {vidpipe.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which vidpipe this is.")
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="VIDPIPE_LOG_FORMAT", help="What stderr gets: lines, or a JSON object a line.")
    ] = LogFormat.TEXT,
) -> None:
    """Answer every frame of many cameras from the cheapest stage that can be trusted."""
    if log_format is LogFormat.JSON:
        logs.write_json()


@app.command()
def run(
    pipeline: PipelinesArgument,
    config: ConfigOption = None,
    source: SourceOption = None,
    engine: EngineOption = None,
    address: AddressOption = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="An answer for every frame; - is stdout.", show_default=False),
    ] = None,
    events: EventsOption = None,
    append: AppendOption = False,
    overwrite: OverwriteOption = False,
    rotate: RotateOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Where frames were answered, and the cost.", show_default=False),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4", help="The footage with boxes drawn.", show_default=False)
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.db", help="Keep events and counts there, for `vidpipe events|counts`.", show_default=False
        ),
    ] = None,
    media: MediaOption = None,
    metrics: MetricsOption = None,
    serve: ServeOption = None,
    floor: FloorOption = None,
    want: WantOption = None,
    budget: BudgetOption = None,
    profiles: ProfilesOption = None,
    name: NameOption = None,
    detach: DetachOption = None,
    traces: TracesOption = 0.0,
    set_: SetOption = None,
) -> None:
    """Run a pipeline on cameras and recordings."""
    from vidpipe.cli.commands.run import RunOptions, run_pipeline
    from vidpipe.cli.outputs import Earlier

    outputs = (results, report, video, store, metrics, profiles, floor)
    options = RunOptions(
        pipeline[0],
        config,
        source or [],
        set_ or [],
        engine.value if engine else None,
        address,
        *outputs,
        budget=budget,
    )
    options = replace(options, events=events, media=media, name=name, detach=detach, serve=serve, traces=traces)
    options = replace(options, earlier=Earlier(append, overwrite, rotate))
    if want is not None:
        options = replace(options, want=want.value)
    if len(pipeline) > 1:
        from vidpipe.cli.commands.queries import run_queries

        raise typer.Exit(run_queries(options, pipeline))
    raise typer.Exit(run_pipeline(options))


@app.command()
def check(
    pipeline: PipelineArgument,
    config: ConfigOption = None,
    source: SourceOption = None,
    profiles: ProfilesOption = None,
    set_: SetOption = None,
) -> None:
    """Find every mistake in a pipeline, without running it."""
    from vidpipe.cli.commands.check import check as check_pipeline
    from vidpipe.sources.open import expand

    check_pipeline(pipeline, config, expand(*(source or [])), set_ or [], profiles)


@app.command()
def bench(
    pipeline: PipelineArgument,
    config: ConfigOption = None,
    source: SourceOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="What answers are held against: a model of the pipeline, or a file. Default: the last stage's model.",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[STREAM=]FILE", help="Labels that people made, MOT or COCO. Several times.", show_default=False
        ),
    ] = None,
    truth_class: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Of labels that name none.", show_default=False)
    ] = None,
    fit: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of each clip to choose configurations on; not scored.")
    ] = 0.4,
    fit_on: Annotated[
        str | None,
        typer.Option(metavar="CLIP", help="Another clip to choose them on, and score all.", show_default=False),
    ] = None,
    floor: FloorOption = None,
    want: WantOption = None,
    baselines: Annotated[
        str,
        typer.Option(
            help="Of big,little,static,tuned,chameleon,uniform,motion,ultralytics,without,ray, with commas; or all, "
            "or none."
        ),
    ] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turns.")] = 3,
    engine: InProcessOption = EngineName.INLINE,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Cost and accuracy of each model, size and stage.", show_default=False),
    ] = None,
    profiles: ProfilesOption = None,
    out: Annotated[Path, typer.Option(help="Where report, figures and answers go.")] = Path("bench-output"),
    set_: SetOption = None,
) -> None:
    """Measure what a pipeline saves and what it loses, against other ways to do it."""
    from vidpipe.cli.commands.bench import BenchOptions, run_bench

    run_bench(
        BenchOptions(
            pipeline,
            config,
            source or [],
            set_ or [],
            reference,
            truth or [],
            truth_class,
            fit,
            fit_on,
            floor,
            want.value if want is not None else "boxes",
            baselines,
            repeats,
            engine.value,
            profile,
            profiles,
            out,
        )
    )


@app.command()
def specialize(
    pipeline: PipelineArgument,
    config: ConfigOption = None,
    source: SourceOption = None,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How much footage to learn from: 90s, 20m, 1.5h. Default: all of a recording, 20m of a camera.",
            show_default=False,
        ),
    ] = None,
    max_miss: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of frames with something in them that may be missed.")
    ] = 0.01,
    max_false: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of frames without that may be answered with something.")
    ] = 0.01,
    gates: Annotated[bool, typer.Option(help="Train small networks, too.")] = True,
    learn: Annotated[
        bool, typer.Option("--learn", help="A gate goes on learning in every run, with a quarter of a core.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    use: Annotated[
        int | None,
        typer.Option(metavar="VERSION", help="Learn nothing; go back to this version, or 0: none.", show_default=False),
    ] = None,
    out: OutOption = None,
    set_: SetOption = None,
) -> None:
    """Learn a fixed camera's stream: which frames need no look, within a budget of errors."""
    from vidpipe.cli.commands.specialize import SpecializeArguments, run_specialize

    options = SpecializeArguments(
        pipeline, config, source or [], set_ or [], for_, max_miss, max_false, gates, learn, seed, use, out
    )
    raise typer.Exit(run_specialize(options))


@app.command()
def tune(
    pipeline: PipelineArgument,
    floor: Annotated[float, typer.Option(min=0.01, max=0.999, help="Accuracy to hold, against the last stage.")],
    config: ConfigOption = None,
    source: SourceOption = None,
    want: Annotated[WantName, typer.Option(help="What the floor is of.")] = WantName.BOXES,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How much footage to tune on: 90s, 20m, 1.5h. Default: all of a recording, 20m of a camera.",
            show_default=False,
        ),
    ] = None,
    search: Annotated[SearchName, typer.Option(help="Which configurations are tried.")] = SearchName.BUILT_IN,
    trials: TrialsOption = None,
    out: OutOption = None,
    set_: SetOption = None,
) -> None:
    """Choose the cheapest settings that hold an accuracy on a stream, and say what speaks for them."""
    from vidpipe.cli.commands.tune import TuneArguments, run_tune

    place = (pipeline, config, source or [], set_ or [])
    options = TuneArguments(*place, floor, want.value, for_, out, search.value, trials)
    raise typer.Exit(run_tune(options))


@app.command()
def versions(
    what: Annotated[
        str, typer.Argument(metavar="STREAM", help="A stream that was learnt, or the folder of a gate's versions.")
    ],
    use: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Go back to this one, 0: to none; 2.3: to gate 3 of version 2.",
            show_default=False,
        ),
    ] = None,
    profiles: ProfilesOption = None,
) -> None:
    """List what was learnt of a stream, version by version with the reason for each, or go back to one."""
    from vidpipe.cli.commands.versions import run_versions

    raise typer.Exit(run_versions(what, use, profiles))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where the clip and what comes of it go.")] = Path(
        "demo-output"
    ),
    seconds: Annotated[float, typer.Option(min=5, help="Length of the generated clip.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes another scene.")] = 0,
    engine: EngineOption = None,
    serve: Annotated[
        bool, typer.Option(help="At a terminal, serve a page of what happened at the end, until Ctrl-C.")
    ] = True,
) -> None:
    """Generate a street scene and run a cascade with a real detector on it."""
    from vidpipe.cli.commands.demo import run_demo

    raise typer.Exit(run_demo(folder, seconds, seed, engine.value if engine else None, serve=serve))


@app.command()
def init(
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where it writes.")] = Path(),
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="A camera that is known. Several times.", show_default=False),
    ] = None,
    pipeline: Annotated[str, typer.Option(help="To begin with: one that comes with vidpipe.")] = "street",
    find: Annotated[bool, typer.Option(help="Ask the network for cameras (ONVIF).")] = True,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long to watch each camera.")] = 5,
) -> None:
    """Ask for cameras, or find them, and write a configuration and a first pipeline."""
    from vidpipe.cli.commands.init import InitOptions, is_answered, run_init

    options = InitOptions(folder, camera or [], pipeline, find, is_answered(), seconds)
    raise typer.Exit(run_init(options))


looking.add_to(app)
asking.add_to(app)
following.add_to(app)
planning.add_to(app)
archiving.add_to(app)
reaching.add_to(app)
hosting.add_to(app)
serving.add_to(app)
teaching.add_to(app)


def main() -> None:
    """Run the command line; an error is one line on stderr and an exit status, with VIDPIPE_DEBUG=1 a traceback."""
    debug = bool(os.environ.get("VIDPIPE_DEBUG"))
    arguments = hide_addresses(sys.argv[1:])
    logs.begin(arguments, logging.DEBUG if debug else logging.WARNING)
    cause: Exception | None = None
    try:
        chosen = asking.only(arguments[0], options) if {*arguments[:1]} & asking.QUESTIONS.keys() else app
        status = chosen(arguments or ["--help"], prog_name="vidpipe", standalone_mode=False)
    except VidpipeError as error:
        message, status, cause = str(error), error.exit_status, error if debug else None
    except UsageError as error:
        message, status = usage(error), 2
    except Exception as error:
        hint = "this is a fault of vidpipe; VIDPIPE_DEBUG=1 shows where"
        message, status, cause = f"{type(error).__name__}: {error} ({hint})", 1, error if debug else None
    else:
        if status == INTERRUPTED:  # typer makes it of a KeyboardInterrupt, too
            message = "interrupted"
        else:
            leave(status)
    fail(without_addresses(message, arguments), status, cause)


if __name__ == "__main__":
    main()
