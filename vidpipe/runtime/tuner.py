"""The contract of a tuner: it gets the status of a run now and then, and changes settings of its streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from vidpipe.core.errors import VidpipeError
from vidpipe.core.settings import StageConfig
from vidpipe.runtime.epochs import Changes
from vidpipe.runtime.status import Status

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
    """

    Config: ClassVar[type[TunerConfig]] = TunerConfig

    config: Any = TunerConfig()

    def tune(self, status: Status) -> Sequence[Change]:
        """The changes to make, given the status of the run; called every `every_s` seconds."""
        raise TypeError(f"{type(self).__name__} has no method `tune`: a tuner must say what it changes")


class TunerThread:
    """Asks a tuner now and then while a run goes on.

    Args:
        status: how the run fares.
        apply: makes a change; raises VidpipeError where it cannot be made.
    """

    def __init__(self, tuner: Tuner, status: Callable[[], Status], apply: Callable[[Change], object]) -> None:
        self._tuner = tuner
        self._status = status
        self._apply = apply
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vidpipe-tuner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; one that is being asked is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        name = type(self._tuner).__name__
        while not self._stop.wait(self._tuner.config.every_s):
            try:
                changes = list(self._tuner.tune(self._status()))
            except BaseException as error:  # a user's tuner may raise anything
                log.warning("the tuner %s raised, and is asked no more: %s: %s", name, type(error).__name__, error)
                return
            for change in changes:
                self._make(name, change)

    def _make(self, name: str, change: Any) -> None:
        if not isinstance(change, Change):
            log.warning("the tuner %s gave a %s in place of a Change", name, type(change).__name__)
        elif not self._stop.is_set():
            try:
                self._apply(change)
            except VidpipeError as error:
                log.warning("what the tuner %s wants cannot be: %s", name, error)
