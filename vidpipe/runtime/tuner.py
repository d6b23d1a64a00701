"""The contract of a tuner: it looks at a run now and then, and changes settings of its streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from vidpipe.core.clock import Clock
from vidpipe.core.errors import VidpipeError
from vidpipe.core.settings import StageConfig
from vidpipe.runtime.epochs import Changes
from vidpipe.runtime.status import Status

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """Settings that shall hold from now on.

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

    every_s: float = Field(default=5.0, gt=0, description="seconds between two looks at the run")


class Tuner:
    """Base class of all tuners.

    It runs in a thread of its own: one that hangs changes nothing any more, and holds nothing up. What it raises is
    told, and it is asked no more; a change that cannot be made is told, and the run goes on as it is.

    Attributes:
        config: its settings.
    """

    Config: ClassVar[type[TunerConfig]] = TunerConfig

    config: Any = TunerConfig()

    def tune(self, status: Status) -> Sequence[Change]:
        """What shall change, given how the run fares; called every `every_s` seconds, at once where it took longer."""
        raise TypeError(f"{type(self).__name__} has no method `tune`: a tuner must say what it changes")


class TunerThread:
    """Asks a tuner now and then while a run goes on.

    Args:
        status: how the run fares.
        apply: makes a change; raises VidpipeError where it cannot be made.
    """

    def __init__(
        self, tuner: Tuner, status: Callable[[], Status], apply: Callable[[Change], object], clock: Clock
    ) -> None:
        self._tuner = tuner
        self._status = status
        self._apply = apply
        self._clock = clock
        self._due = clock.monotonic()
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="vidpipe-tuner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; one that is being asked is not waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        name = type(self._tuner).__name__
        while self._wait():
            try:
                changes = list(self._tuner.tune(self._status()))
            except BaseException as error:  # a user's tuner may raise anything
                log.warning("the tuner %s raised, and is asked no more: %s: %s", name, type(error).__name__, error)
                return
            for change in changes:
                self._make(name, change)

    def _wait(self) -> bool:
        """Until it is to be asked next; False where it is not to be asked any more."""
        self._due = max(self._due + self._tuner.config.every_s, self._clock.monotonic())
        with self._changed:
            return not self._clock.wait_for(self._changed, lambda: self._stopped, self._due)

    def _make(self, name: str, change: Any) -> None:
        if not isinstance(change, Change):
            log.warning("the tuner %s gave a %s in place of a Change", name, type(change).__name__)
        elif not self._stopped:
            try:
                self._apply(change)
            except VidpipeError as error:
                log.warning("what the tuner %s wants cannot be: %s", name, error)
