"""`vidpipe run`: options to pipeline, sinks and taps; then the engine; then what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from vidpipe.cli.live_table import LiveTable
from vidpipe.cli.progress import ProgressBar
from vidpipe.cli.reload import Reload, on_hangup
from vidpipe.cli.summary import print_summary
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.session import Watcher
from vidpipe.errors import RunError
from vidpipe.files import check_writable, write_whole


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked for."""

    pipeline: str
    config: Path | None = None
    sources: Sequence[str] = ()
    sets: Sequence[str] = ()
    engine: Literal["ray", "inline"] = "ray"
    address: str | None = None
    results: Path | None = None
    report: Path | None = None
    video: Path | None = None
    metrics: str | None = None
    profiles: Path | None = None


def run_pipeline(options: RunOptions) -> int:
    """Run to the end; the exit status. Raises ConfigError where it cannot begin."""
    from vidpipe.cli.profiles import with_profiles
    from vidpipe.config.load import find_pipeline, load
    from vidpipe.sources.open import expand

    def read() -> Pipeline:
        loaded = load(options.pipeline, config=options.config, sources=expand(*options.sources), sets=options.sets)
        return with_profiles(loaded, options.profiles)

    files = [find_pipeline(options.pipeline), *([options.config] if options.config else [])]
    reload = Reload(read, files)  # before they are read: what is changed meanwhile is taken up later
    return execute(read(), options, reload)


def execute(pipeline: Pipeline, options: RunOptions, reload: Reload | None = None) -> int:
    """Run a loaded pipeline with the outputs that the options name; live, `reload` may give it other streams."""
    from vidpipe.engine.run import run
    from vidpipe.sinks.results import ResultsFile
    from vidpipe.sinks.video import VideoTap

    if options.report is not None:
        check_writable(options.report, "report")
    sinks = [ResultsFile(options.results)] if options.results is not None else []
    taps = [VideoTap(str(options.video), many=len(pipeline.streams) > 1)] if options.video is not None else []
    with ExitStack() as watching:
        live = any(stream.spec.live for stream in pipeline.streams.values())
        bar = watching.enter_context(LiveTable(pipeline)) if live else watching.enter_context(ProgressBar(pipeline))
        watchers: list[Watcher] = [bar]
        if options.metrics is not None:
            from vidpipe.sinks.metrics import Metrics, parse_place

            watchers.append(watching.enter_context(closing(Metrics(*parse_place(options.metrics)))))
        if live and reload is not None:
            watching.enter_context(on_hangup(reload))
        outcome = run(
            pipeline,
            engine=options.engine,
            address=options.address,
            sinks=sinks,
            taps=taps,
            watchers=watchers,
            reload=reload if live else None,
        )
    if options.report is not None:
        try:
            write_whole(options.report, json.dumps(outcome.report, indent=2) + "\n", "report")
        except RunError as failure:
            outcome.errors.append(str(failure))
    print_summary(pipeline, outcome)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for note in outcome.notes:
        console.print(f"note: {note}", markup=False)
    for error in outcome.errors:
        console.print(f"vidpipe: {error}", markup=False)
    return outcome.exit_status
