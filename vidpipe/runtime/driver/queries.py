"""Several pipelines on the same streams: each a run of its own, on pictures and looks that they share.

A query keeps its stages, epochs, audits, ledger and sinks to itself, so its answers are those that it would give alone,
and what breaks in it breaks nothing else. What is shared lies below: open streams and networks (`Sharing`).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError, VidpipeError, text_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.claims import check_apart
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.sharing import QueryShare, Sharing

log = logging.getLogger(__name__)

MOST = 64  # queries of a session: their names are labels of metrics

Make = Callable[[Pipeline, QueryShare], Run]


def check_name(name: str) -> str:
    """The name of a query, which is part of file names and a label; raises ConfigError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise ConfigError(f"query '{name}': a name is made of letters, digits, '.', '_' and '-', 63 at most")
    return name


class Queries:
    """Pipelines that run side by side: `with Queries({"door": door, "yard": yard}) as queries: ...`.

    Leaving the block, also by an exception, stops all in order and waits. All methods may be called from any thread.

    Args:
        pipelines: by the name of the query.
        make: makes the run of a query, with its sinks: on the inline engine or on Ray, with `share` as it is given.
        clock: that sources go by, and the runs that `make` makes.

    Raises:
        ConfigError: there is none, a name is none, or two would write to the same file, topic, store or folder.
    """

    def __init__(self, pipelines: Mapping[str, Pipeline], make: Make | None = None, *, clock: Clock = REAL) -> None:
        if not pipelines:
            raise ConfigError("there is no query: name at least one pipeline")
        self._clock = clock
        self._make = make or self._plain
        self.sharing = Sharing(clock)
        self._changing = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._pipelines: dict[str, Pipeline] = {}  # as each began
        self._outcomes: dict[str, Outcome] = {}
        self._stopping = False
        for name, pipeline in pipelines.items():
            self._runs[name] = self._made(name, pipeline)

    def start(self) -> Queries:
        """Open all, then begin with all of them together.

        Raises:
            ConfigError, RunError: one does not begin; then none does.
        """
        begun: list[Run] = []
        try:
            for name, run in self._runs.items():
                _started(name, run)
                begun.append(run)
        except BaseException as error:
            self.stop()
            for run in begun:
                run.__exit__(type(error), error, None)
            raise
        self.sharing.begin()
        return self

    def add(self, name: str, pipeline: Pipeline) -> Run:
        """Begin another query while the others go on; it takes part from the next picture of each camera on.

        Raises:
            ConfigError, RunError: it does not begin; the others have not noticed.
        """
        with self._changing:
            if self._stopping:
                raise RunError("no query can be added: the session ends")
            self.check_new(name)
            run = self._made(name, pipeline)
            _started(name, run)
            self._runs = {**self._runs, name: run}
            return run

    def check_new(self, name: str) -> None:
        """Raises ConfigError where a query of that name goes on."""
        if name in self._runs and not _has_ended(self._runs[name]):
            raise ConfigError(f"query '{name}' runs already: take another name, or remove it first")

    def remove(self, name: str) -> Outcome:
        """End a query in order, and return how it ended; the others have not noticed.

        Raises:
            ConfigError: there is no such query.
            RunError: its engine could not go on.
        """
        run = self[name]
        run.stop()
        return run.join()

    def __getitem__(self, name: str) -> Run:
        """The run of a query: its settings change by it, and its status is asked of it."""
        run = self._runs.get(name)
        if run is None:
            raise ConfigError(f"there is no query '{name}': there are {', '.join(sorted(self._runs))}")
        return run

    @property
    def runs(self) -> Mapping[str, Run]:
        """All of them, by name, also those that have ended."""
        return self._runs

    def stop(self) -> None:
        """Ask all to end in order, and return at once."""
        self._stopping = True
        for run in self._runs.values():
            run.stop()

    def join(self) -> dict[str, Outcome]:
        """Wait for the end of all. One that could not go on has an outcome that says so, and no report."""
        ended: dict[str, Outcome] = {}
        while missing := [name for name in self._runs if name not in ended]:
            for name in missing:
                ended[name] = _outcome(name, self._runs[name])
        return ended

    def __enter__(self) -> Queries:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for run in self._runs.values():
            try:
                run.__exit__(kind, error, trace)
            except Exception as failure:  # `join` tells it
                log.debug("a query broke down", exc_info=failure)

    def _made(self, name: str, pipeline: Pipeline) -> Run:
        if len(self._runs) >= MOST:
            raise ConfigError(f"a session has at most {MOST} queries")
        going = {other: self._pipelines[other] for other, run in self._runs.items() if not _has_ended(run)}
        try:
            check_apart(check_name(name), pipeline, going)
            run = self._make(pipeline, self.sharing.query(name))
        except VidpipeError as error:
            raise _of(name, error) from error
        self._pipelines[name] = pipeline
        return run

    def _plain(self, pipeline: Pipeline, share: QueryShare) -> Run:
        return Run(pipeline, engine="inline", results=False, share=share, clock=self._clock)


def _started(name: str, run: Run) -> None:
    try:
        run.start()
    except VidpipeError as error:
        raise _of(name, error) from error


def _of(name: str, error: VidpipeError) -> VidpipeError:
    """The same error, which says of which query it is."""
    told = str(error)
    return error if told.startswith(f"query '{name}'") else type(error)(f"query {name}: {told}")


def _outcome(name: str, run: Run) -> Outcome:
    try:
        return run.join()
    except Exception as error:
        log.debug("query %s broke down", name, exc_info=error)
        told = text_of(error) if isinstance(error, VidpipeError) else f"{type(error).__name__}: {text_of(error)}"
        return Outcome({}, [told])


def _has_ended(run: Run) -> bool:
    return run.state in ("ended", "failed")
