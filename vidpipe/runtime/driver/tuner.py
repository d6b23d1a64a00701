"""The contract of a tuner: it gets the status of a run now and then, and changes settings of its streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import Field

from vidpipe.core.clock import Clock, Stop
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.epochs import Changes
from vidpipe.runtime.driver.status import Status
from vidpipe.runtime.shadow.ask import Shadow, Variant

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """New settings.

    Attributes:
        stages: the new values, by stage id and field.
        streams: whose; None: of all.
        reason: why, for the report.
    """

    stages: Changes
    streams: Collection[str] | None = None
    reason: str = ""


class TunerConfig(StageConfig):
    """Base of a tuner's settings."""

    every_s: float = Field(default=5.0, gt=0, description="seconds between two calls of `tune`")


class Tuner:
    """Base class of all tuners.

    It runs in a thread of its own: one that hangs changes nothing and blocks nothing. What it raises is logged, and it
    is not called again; an impossible change is logged, and the run goes on unchanged.

    Attributes:
        config: its settings.
        ask: asks in the shadow of the run, as `Run.ask` does.
    """

    Config: ClassVar[type[TunerConfig]] = TunerConfig

    config: Any = TunerConfig()
    ask: Callable[[str, Sequence[Variant]], Future[Shadow]]

    def begin(self, pipeline: Pipeline) -> None:
        """Called once, before the run begins, with what is to run.

        Raises:
            ConfigError: it cannot tune this pipeline; the run does not begin then.
        """

    def tune(self, status: Status) -> Sequence[Change]:
        """The changes to make, given the status of the run; called every `every_s` seconds, or later."""
        raise TypeError(f"{type(self).__name__} has no method `tune`: a tuner must say what it changes")


class Tunable(Protocol):
    """What a tuner has to do with of a run; see `Run`."""

    def status(self) -> Status: ...

    def ask(self, stream: str, variants: Sequence[Variant]) -> Future[Shadow]: ...

    def apply(self, *, stages: Changes, streams: Collection[str] | None, reason: str, by: str) -> object: ...


def tuner_of(pipeline: Pipeline) -> Tuner | None:
    """The pipeline's tuner, begun; None where it has none.

    Raises:
        ConfigError: the tuner cannot tune this pipeline, or it raised.
    """
    if pipeline.tuner is None:
        return None
    tuner: Tuner = pipeline.tuner.make()
    try:
        tuner.begin(pipeline)
    except VidpipeError:
        raise
    except Exception as error:  # a user's tuner may raise anything
        raise ConfigError(f"the tuner {type(tuner).__name__} raised: {type(error).__name__}: {error}") from error
    return tuner


@contextmanager
def tuned(tuner: Tuner | None, run: Tunable, clock: Clock) -> Iterator[None]:
    """Let a tuner, if there is one, change the run inside the block; at its end it is not waited for."""
    stop = Stop(clock)
    if tuner is not None:
        tuner.ask = run.ask
        args = (tuner, run, stop, clock, clock.monotonic())
        threading.Thread(target=_tune, args=args, name="vidpipe-tuner", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _tune(tuner: Tuner, run: Tunable, stop: Stop, clock: Clock, due: float) -> None:
    name = type(tuner).__name__
    while not stop.wait_until(due := max(due + tuner.config.every_s, clock.monotonic())):
        try:
            changes: list[Any] = list(tuner.tune(run.status()))  # whatever a user gives
        except BaseException as error:  # a user's tuner may raise anything
            log.warning("the tuner %s raised, and is asked no more: %s: %s", name, type(error).__name__, error)
            return
        for change in changes:
            if not isinstance(change, Change):
                log.warning("the tuner %s gave a %s in place of a Change", name, type(change).__name__)
            elif not stop.is_set():
                try:
                    run.apply(stages=change.stages, streams=change.streams, reason=change.reason, by="tuner")
                except VidpipeError as error:
                    log.warning("what the tuner %s wants cannot be: %s", name, error)
