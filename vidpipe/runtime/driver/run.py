"""Running a pipeline from beginning to end, on either engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, Protocol

from vidpipe.core.clock import REAL, Clock
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.versions import Versions
from vidpipe.runtime.driver.watcher import Watcher


def run(
    pipeline: Pipeline,
    *,
    engine: Literal["ray", "inline"] | None = None,
    address: str | None = None,
    waits: bool = False,
    sinks: Sequence[Sink] = (),
    frame_sinks: Sequence[FrameSink] = (),
    watchers: Sequence[Watcher] = (),
    reload: Callable[[], Pipeline | None] | None = None,
    on_report: Callable[[dict[str, Any]], None] | None = None,
    traces: float = 0.0,
    beside: Callable[[Versions], AbstractContextManager[object]] = nullcontext,
    version: Callable[[str], Run] | None = None,
    clock: Clock = REAL,
) -> Outcome:
    """Answer every frame of the pipeline's streams, and return when all have ended. Arguments as of `Run`.

    SIGINT and SIGTERM ask it to end in order; a second one ends it at once.

    Args:
        beside: makes what is open while the run goes on.
        version: a held run of another version of the pipeline, to take this one's place: see `Versions`.

    Raises:
        ConfigError: it could not begin: a source, model or stage does not open.
        RunError: the engine could not go on.
    """
    session = Run(
        pipeline,
        engine=engine,
        address=address,
        waits=waits,
        sinks=sinks,
        frame_sinks=frame_sinks,
        watchers=watchers,
        reload=reload,
        on_report=on_report,
        results=False,
        traces=traces,
        clock=clock,
    )
    versions = Versions(session, version)
    with stop_signals(versions), versions, beside(versions):
        return versions.join()


class _Stopped(Protocol):
    def stop(self) -> None: ...


@contextmanager
def stop_signals(session: _Stopped) -> Iterator[None]:
    """SIGINT and SIGTERM ask the run to end in order; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def ask(number: int, _: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        session.stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
