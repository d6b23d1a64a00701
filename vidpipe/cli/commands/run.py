"""`vidpipe run`: options to pipeline, sinks and frame sinks; then the engine; then what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from rich.console import Console

from vidpipe.cli.earlier import ask_about_earlier
from vidpipe.cli.logs import name_run
from vidpipe.cli.outputs import Earlier, Named, Outputs, inputs_of, is_stdout, own_stdout
from vidpipe.cli.reload import Reload, on_hangup
from vidpipe.cli.terminal.live_table import LiveTable
from vidpipe.cli.terminal.progress import ProgressBar
from vidpipe.cli.terminal.summary import print_summary
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.media.folder import check_folder
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.sinks.base import Sink
from vidpipe.results.store.file import default_path
from vidpipe.results.store.sink import StoreConfig
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.versions import Versions
from vidpipe.runtime.driver.watcher import Watcher
from vidpipe.sources.base import Want

if TYPE_CHECKING:
    from vidpipe.cli.runs.server import Orders
    from vidpipe.results.sinks.lines import LinesSink
    from vidpipe.tuning.budget.limits import BudgetConfig

T = TypeVar("T")
Beside = Callable[[Versions], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked for."""

    pipeline: str
    config: Path | None = None
    sources: Sequence[str] = ()
    sets: Sequence[str] = ()
    engine: Literal["ray", "inline"] | None = None
    address: str | None = None
    results: Path | None = None
    report: Path | None = None
    video: Path | None = None
    store: Path | None = None
    metrics: str | None = None
    profiles: Path | None = None
    floor: float | None = None
    want: Want | None = None
    budget: str | None = None
    events: Path | None = None
    name: str | None = None
    detach: str | None = None
    media: Path | None = None
    earlier: Earlier = field(default_factory=Earlier)
    serve: str | None = None
    traces: float = 0.0


def run_pipeline(options: RunOptions) -> int:
    """Run to the end, or into the background; the exit status.

    Raises:
        ConfigError: it cannot begin.
        KeyboardInterrupt: somebody who was asked about earlier results wants no run.
    """
    from vidpipe.cli.runs.orders import RunOrders

    # Before it goes to the background, where nobody could answer.
    options = replace(options, earlier=ask_about_earlier(options.earlier, (options.results, options.events)))
    named = Path(options.pipeline).stem
    return run_by_name(options, named, partial(_run, options), lambda versions: RunOrders(versions).all())


def run_by_name(
    options: RunOptions,
    otherwise: str,
    run: Callable[[Callable[[T], AbstractContextManager[object]]], int],
    orders: Callable[[T], Orders],
) -> int:
    """Run to the end, under the name that the options give it, if they do.

    Args:
        otherwise: what the log calls it.
        run: takes what is to be open while the run goes on, and returns the exit status.
        orders: what may be said to it meanwhile.
    """
    name = options.name if options.detach is None else options.detach
    name_run(name or otherwise)
    if name is None:
        return run(lambda _: nullcontext())
    from vidpipe.cli.runs.named import run_named

    if options.detach is not None and any(map(is_stdout, filter(None, (options.results, options.events)))):
        raise ConfigError("--detach: a run in the background has no stdout to write results or events to: name files")
    if options.name is not None and options.detach is not None:
        raise ConfigError("--name and --detach: one of them gives the name")
    return run_named(name, run, orders, detach=options.detach is not None)


def _run(options: RunOptions, beside: Beside) -> int:
    reload = reload_of(options)  # before it is read: what is changed meanwhile is taken up later
    return execute(reload.load(), options, reload, beside)


def written(options: RunOptions) -> Pipeline:
    """The pipeline that the options name, before anything that was learnt or chosen for its streams."""
    from vidpipe.pipeline.yaml.load import load
    from vidpipe.sources.open import expand

    return load(
        options.pipeline,
        config=options.config,
        sources=expand(*options.sources),
        sets=options.sets,
        floor=options.floor,
        want=options.want,
        media=options.media,
        ruled=options.serve is not None,
    )


def reload_of(options: RunOptions, budget: BudgetConfig | None = None) -> Reload:
    """Reads the pipeline that the options name, at first and whenever its files change.

    Args:
        budget: in place of that of the options.
    """
    from vidpipe.cli.profiles import with_profiles
    from vidpipe.pipeline.yaml.load import find_pipeline

    if budget is None and options.budget is not None:
        from vidpipe.tuning.budget.limits import parse

        elsewhere = options.address is not None
        budget = parse(options.budget).model_copy(update={"elsewhere": elsewhere})

    def read() -> Pipeline:
        return with_profiles(written(options), options.profiles, budget=budget)

    return Reload(read, [find_pipeline(options.pipeline), *([options.config] if options.config else [])])


def execute(pipeline: Pipeline, options: RunOptions, reload: Reload | None = None, beside: Beside = nullcontext) -> int:
    """Run a loaded pipeline with the outputs that the options name; live, `reload` may give it other streams.

    Args:
        beside: as of `vidpipe.runtime.driver.run.run`.
    """
    from vidpipe.pipeline.yaml.load import find_pipeline

    files = [Named("pipeline", find_pipeline(options.pipeline))]
    files += [Named("--config", options.config)] if options.config is not None else []
    asked = options.results, options.report, options.video
    files_of_events = {"events": options.events, "store": options.store}
    outputs = Outputs(*asked, list(pipeline.streams), pipeline.sinks, **files_of_events, earlier=options.earlier)
    if pipeline.media is not None and options.address is None:
        check_folder(pipeline.media)
    outputs.check(inputs_of(pipeline, files, by_option=bool(options.sources)))
    with own_stdout() if outputs.on_stdout else nullcontext() as stdout:
        return _execute(pipeline, options, outputs, stdout, reload, beside)


def _execute(
    pipeline: Pipeline,
    options: RunOptions,
    outputs: Outputs,
    stdout: int | None,
    reload: Reload | None,
    beside: Beside,
) -> int:
    """The same with outputs that are sound; `stdout`: a descriptor of it, where one of them has it for itself."""
    from vidpipe.runtime.driver.run import run

    report = outputs.report_file(stdout)
    on_report = report.write if report and report.takes_many else None
    lines = outputs.lines_files(stdout)
    reloads = [reload] if reload is not None else []  # of all versions: who has ended is asked for nothing
    with ExitStack() as watching:
        live = any(stream.spec.live for stream in pipeline.streams.values())
        bar = watching.enter_context(LiveTable(pipeline)) if live else watching.enter_context(ProgressBar(pipeline))
        watchers: list[Watcher] = [bar]
        if options.metrics is not None:
            from vidpipe.results.sinks.http import parse_place
            from vidpipe.results.sinks.metrics import Metrics

            watchers.append(watching.enter_context(closing(Metrics(*parse_place(options.metrics, "--metrics")))))
        page = watching.enter_context(served(pipeline, options))
        if live and reload is not None:
            watching.enter_context(on_hangup(lambda: _ask(reloads)))

        def version(name: str) -> Run:
            again = reload_of(replace(options, pipeline=name))
            new = again.load()
            _check_outputs_stay(pipeline, new, options)
            reloads.append(again)
            return Run(
                new,
                engine=options.engine,
                address=options.address,
                waits=options.detach is not None,
                sinks=[*outputs.lines_files(stdout), *outputs.stores(), *page],
                watchers=watchers,
                reload=again,
                on_report=on_report,
                results=False,
                held=True,
                traces=options.traces,
            )

        outcome = run(
            pipeline,
            engine=options.engine,
            address=options.address,
            waits=options.detach is not None,
            sinks=[*lines, *outputs.stores(), *page],
            frame_sinks=[outputs.video] if outputs.video else [],
            watchers=watchers,
            reload=reload if live else None,
            on_report=on_report,
            traces=options.traces,
            beside=beside,
            version=version,
        )
    if report:
        try:
            report.write(outcome.report)
        except RunError as failure:
            outcome.errors.append(str(failure))
    outcome.notes += notes_of_files(pipeline, options, outcome, lines)
    tell(pipeline, outcome)
    return outcome.exit_status


def notes_of_files(
    pipeline: Pipeline, options: RunOptions, outcome: Outcome, lines: Sequence[LinesSink]
) -> Iterator[str]:
    """Where earlier results and events are now, and what was written of media."""
    for sink in lines:
        if sink.kept:
            path = options.results if sink.what == "results" else options.events
            yield f"earlier {sink.what} of {path} are now {sink.kept}"
    if outcome.report:
        yield from _media_notes(pipeline, outcome)


def tell(pipeline: Pipeline, outcome: Outcome, query: str = "") -> None:
    """Print what came of a run, or of a query of several."""
    if outcome.report:
        print_summary(outcome.pipeline or pipeline, outcome)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    of = f"query {query}: " if query else ""
    for note in outcome.notes:
        console.print(f"note: {of}{note}", markup=False)
    for error in outcome.errors:
        console.print(f"vidpipe: {of}{error}", markup=False)


def _ask(reloads: Sequence[Reload]) -> None:
    for reload in reloads:
        reload.ask()


def _check_outputs_stay(old: Pipeline, new: Pipeline, options: RunOptions) -> None:
    """Raise where another version of the pipeline writes elsewhere: that could fail when there is no way back."""
    if options.video is not None:
        raise ConfigError("--video: a pipeline is not replaced while its video is drawn; end the run first")
    for what, before, after in (("sinks", old.sinks, new.sinks), ("media", old.media, new.media)):
        if before != after:
            raise ConfigError(
                f"{what} of the new version are not those of the running one: they change with a new run alone"
            )


@contextmanager
def served(pipeline: Pipeline, options: RunOptions, query: str = "") -> Iterator[list[Sink]]:
    """The page of a run, or of a query of several, inside the block, where one was asked for."""
    if options.serve is None:
        yield []
        return
    from vidpipe.results.sinks.http import parse_place
    from vidpipe.serve.page import Page

    configs = [sink.config for sink in pipeline.sinks if isinstance(sink.config, StoreConfig)]
    stores = [options.store, *(default_path() if config.path is None else Path(config.path) for config in configs)]
    page = Page(
        *parse_place(options.serve, "--serve"),
        name=query or options.name or options.detach or "run",
        store=next(filter(None, stores), None),
        media=None if pipeline.media is None else pipeline.media.path,
    )
    try:
        of = f" of query {query}" if query else ""
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"page{of}: {page.address}", markup=False)
        yield [page]
    finally:
        page.leave()


def _media_notes(pipeline: Pipeline, outcome: Outcome) -> Iterator[str]:
    """How many pictures and clips there are of each stream, and why others are not."""
    for stream, told in outcome.report["media"].items():
        for what in ("pictures", "clips"):
            if (counts := told[what])["made"]:
                missing = [f"{count} not: {why}" for why, count in counts["dropped"].items()]
                missing += [f"{counts['waiting']} not yet"] if counts["waiting"] else []
                place = pipeline.media.path if pipeline.media is not None else ""
                yield "; ".join([f"{stream}: {counts['written']} {what} written to {place}", *missing])
