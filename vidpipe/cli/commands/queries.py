"""`vidpipe run` with several pipelines: each is a query with outputs of its own, on streams that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vidpipe.cli.commands.run import RunOptions, notes_of_files, reload_of, run_by_name, served, tell, written
from vidpipe.cli.earlier import ask_about_earlier
from vidpipe.cli.outputs import Named, Outputs, inputs_of, is_stdout
from vidpipe.cli.reload import Reload, on_hangup
from vidpipe.cli.terminal.queries_progress import QueriesProgress
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.media.folder import check_folder
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.queries import Queries, check_name
from vidpipe.runtime.driver.run import stop_signals
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.sharing import QueryShare

if TYPE_CHECKING:
    from vidpipe.cli.runs.server import Orders
    from vidpipe.results.sinks.lines import LinesSink
    from vidpipe.results.sinks.metrics import Metrics
    from vidpipe.tuning.budget.limits import BudgetConfig


def names_of(pipelines: Sequence[str]) -> dict[str, str]:
    """The pipelines by the names of their queries, those of their files; raises ConfigError where two are the same."""
    named: dict[str, str] = {}
    for pipeline in pipelines:
        name = check_name(Path(pipeline).stem)
        if name in named:
            raise ConfigError(
                f"{named[name]} and {pipeline}: two queries named '{name}': a query is named by its file, "
                "so give one of them another name"
            )
        named[name] = pipeline
    return named


def run_queries(options: RunOptions, pipelines: Sequence[str]) -> int:
    """Run all to the end; the worst of their exit statuses. Errors as of `run_pipeline`."""
    if options.address is not None:
        raise ConfigError("several pipelines share what one machine holds: run them without --address")
    if any(map(is_stdout, filter(None, (options.results, options.events, options.report)))):
        raise ConfigError("several pipelines write files of their own, as NAME-QUERY.jsonl: stdout is one, name a file")
    from vidpipe.cli.runs.orders import QueriesOrders

    named = names_of(pipelines)
    files = [_of_query(path, query) for query in named for path in (options.results, options.events)]
    options = replace(options, earlier=ask_about_earlier(options.earlier, files))
    session = Session(options)
    orders: Callable[[Queries], Orders] = lambda queries: QueriesOrders(queries, partial(session.added, queries)).all()  # noqa: E731
    return run_by_name(options, "+".join(named), partial(_run, named, session), orders)


def _run(
    named: Mapping[str, str], session: Session, beside: Callable[[Queries], AbstractContextManager[object]]
) -> int:
    with session, ExitStack() as stack:
        session.share_out(named)
        queries = Queries({query: session.load(query, file) for query, file in named.items()}, session.run)
        if any(session.is_live(query) for query in named):
            stack.enter_context(on_hangup(session.ask))
        with stop_signals(queries), queries, beside(queries):
            outcomes = queries.join()
    return session.tell(outcomes)


class Session:
    """What the queries of one command have in common: options, metrics, progress, and the files that each writes."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._open = ExitStack()
        self._pipelines: dict[str, Pipeline] = {}
        self._of: dict[str, RunOptions] = {}
        self._reloads: dict[str, Reload] = {}
        self._outputs: dict[str, Outputs] = {}
        self._lines: dict[str, list[LinesSink]] = {}
        self._metrics: Metrics | None = None
        self._budgets: Mapping[str, BudgetConfig] = {}

    def __enter__(self) -> Session:
        self._progress = self._open.enter_context(QueriesProgress())
        if self._options.metrics is not None:
            from vidpipe.results.sinks.http import parse_place
            from vidpipe.results.sinks.metrics import Metrics

            self._metrics = self._open.enter_context(closing(Metrics(*parse_place(self._options.metrics, "--metrics"))))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def share_out(self, named: Mapping[str, str]) -> None:
        """Give each of these queries its part of the budget, if there is one; raises ConfigError."""
        if self._options.budget is None:
            return
        from vidpipe.tuning.budget.limits import parse
        from vidpipe.tuning.budget.queries import shared_out
        from vidpipe.tuning.paths import profiles_dir

        budget, profiles = parse(self._options.budget), self._options.profiles or profiles_dir()
        plain = {query: written(replace(self._options, pipeline=file)) for query, file in named.items()}
        self._budgets = shared_out(plain, budget, profiles)

    def added(self, queries: Queries, file: str) -> tuple[str, Pipeline]:
        """A query that joins these: its name, and its pipeline."""
        if self._budgets:
            raise ConfigError("no query joins a run with a --budget, which is shared out at its beginning")
        (query,) = names_of([file])
        queries.check_new(query)  # else one that runs already would be in the way of its own files
        return query, self.load(query, file)

    def load(self, query: str, file: str) -> Pipeline:
        """The pipeline of a query, once its outputs are sound; raises ConfigError."""
        from vidpipe.pipeline.yaml.load import find_pipeline

        options = replace(
            self._options,
            pipeline=file,
            results=_of_query(self._options.results, query),
            events=_of_query(self._options.events, query),
            report=_of_query(self._options.report, query),
            video=_of_query(self._options.video, query),
            store=_of_query(self._options.store, query),
            serve=_port_of(self._options.serve, len(self._of)),
        )
        reload = reload_of(options, self._budgets.get(query))
        pipeline = reload.load()
        files = [Named("pipeline", find_pipeline(file))]
        files += [Named("--config", options.config)] if options.config is not None else []
        asked = options.results, options.report, options.video
        more: dict[str, Any] = {"events": options.events, "store": options.store, "earlier": options.earlier}
        outputs = Outputs(*asked, list(pipeline.streams), pipeline.sinks, **more)
        if pipeline.media is not None:
            check_folder(pipeline.media)
        others = [
            Named(f"query {other}: {file.option}", file.path)
            for other, each in self._outputs.items()
            if other != query
            for file in each.files()
        ]
        outputs.check([*inputs_of(pipeline, files, by_option=bool(options.sources)), *others])
        self._pipelines[query], self._of[query] = pipeline, options
        self._reloads[query], self._outputs[query] = reload, outputs
        return pipeline

    def run(self, pipeline: Pipeline, share: QueryShare) -> Run:
        """The run of a query that was loaded."""
        query = share.name
        options, outputs, reload = self._of[query], self._outputs[query], self._reloads[query]
        report, lines = outputs.report_file(None), outputs.lines_files(None)
        self._lines[query] = lines
        page: AbstractContextManager[list[Any]] = served(pipeline, options, query)
        watchers: list[Any] = [self._progress.watcher(query)]
        if self._metrics is not None:
            watchers.append(self._metrics.watcher(query))
        return Run(
            pipeline,
            engine=self._options.engine or "inline",
            sinks=[*lines, *outputs.stores(), *self._open.enter_context(page)],
            frame_sinks=[outputs.video] if outputs.video else [],
            watchers=watchers,
            reload=reload if self.is_live(query) else None,
            on_report=report.write if report else None,
            results=False,
            traces=options.traces,
            share=share,
        )

    def is_live(self, query: str) -> bool:
        """Whether any stream of a query comes at its own pace."""
        return any(stream.spec.live for stream in self._pipelines[query].streams.values())

    def ask(self) -> None:
        """Have the files of all queries read again."""
        for reload in self._reloads.values():
            reload.ask()

    def tell(self, outcomes: dict[str, Outcome]) -> int:
        """Write and print what came of all; the worst exit status."""
        console = Console(highlight=False)
        for query, outcome in outcomes.items():
            console.print(f"query {query}", style="bold")
            report = self._outputs[query].report_file(None)
            if report and outcome.report:
                try:
                    report.write(outcome.report)
                except RunError as failure:
                    outcome.errors.append(str(failure))
            pipeline = self._pipelines[query]
            outcome.notes += notes_of_files(pipeline, self._of[query], outcome, self._lines[query])
            tell(pipeline, outcome, query)
        return max((outcome.exit_status for outcome in outcomes.values()), default=0)


def _of_query(path: Path | None, query: str) -> Path | None:
    """The file of one query, where the user names one for all."""
    return None if path is None else path.with_stem(f"{path.stem}-{query}")


def _port_of(place: str | None, number: int) -> str | None:
    """Where the page of a query is served: the first at the port that the user names, the others behind it."""
    if place is None:
        return None
    address, colon, port = place.rpartition(":")
    return f"{address}{colon}{int(port) + number}" if port.isdigit() and int(port) else place
