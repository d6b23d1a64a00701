"""The versions of a pipeline that run one after another: the next one answers before it takes the place of the last."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.states import RunState

log = logging.getLogger(__name__)

ANSWER_S = 120.0  # for a new version to answer all streams, once it is open
_LOOK_S = 0.1
_NO_ANSWER = ("dropped", "failed", "skipped")


class Versions:
    """A run that may give its place to the run of another pipeline on the same cameras: `with Versions(run): ...`.

    Args:
        first: the run to begin with.
        make: a held run of the version of that name.

    Attributes:
        current: the run that answers now.
    """

    def __init__(self, first: Run, make: Callable[[str], Run] | None = None) -> None:
        self.current = first
        self._make = make
        self._replacing = threading.Lock()  # held from the first step to the last
        self._next: Run | None = None
        self._asked = threading.Event()
        self._changed = threading.Condition()
        self._before: list[Outcome] = []
        self._broken = ""  # why the last version could not take its place when there was no way back

    def __enter__(self) -> Versions:
        self.current.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        with self._changed:
            runs = [self.current, *([self._next] if self._next is not None else [])]
        for run in runs:
            run.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Ask all to end in order, and return at once."""
        with self._changed:
            self._asked.set()
            runs = [self.current, *([self._next] if self._next is not None else [])]
        for run in runs:
            run.stop()

    def join(self) -> Outcome:
        """Wait for the end of the last version; its report has those of the ones before under `replaced`.

        Raises:
            RunError: an engine could not go on.
        """
        while True:
            run, failure, outcome = self.current, None, None
            try:
                outcome = run.join()
            except Exception as error:
                failure = error
            with self._replacing:  # perhaps another version ends it, and goes on
                if run is not self.current:
                    continue
            if outcome is None:
                raise failure or RunError("the run ended without an outcome")
            if self._broken:
                outcome.errors.insert(0, self._broken)
                outcome.interrupted = False  # nobody asked it to end
            for before in reversed(self._before):
                outcome.errors[:0] = before.errors
                outcome.notes[:0] = before.notes
            if self._before:
                outcome.report["replaced"] = [before.report for before in self._before]
            return outcome

    def replace(self, version: str) -> None:
        """Have another version answer the same cameras, in place of the current one; returns when it does.

        It starts beside the current one, whose answers are published until the new one has answered each stream that
        this one answers. Then the current one ends, and the sinks get what the new one has answered since.

        Raises:
            ConfigError: it does not load, or cannot take that place; nothing has changed.
            RunError: it does not answer, or another one is just taking over; nothing has changed.
        """
        if self._make is None:
            raise ConfigError("this run cannot be replaced")
        if not self._replacing.acquire(blocking=False):
            raise RunError("another version is just taking over")
        try:
            _check(self.current)
            self._replace(self._make(version))
        finally:
            self._replacing.release()

    def _replace(self, new: Run) -> None:
        old = self.current
        with self._changed:
            self._next = new
        try:
            new.start()
            self._await_answers(old, new)
            with self._changed:
                if self._asked.is_set():
                    raise RunError("the run was asked to end")
        except BaseException:
            new.stop()
            if new.state is not RunState.OPENING:
                new.join()
            raise
        finally:
            with self._changed:
                self._next = None
        old.stop()
        try:
            self._before.append(old.join())
        except Exception as error:  # it has broken down meanwhile: the cameras go on with the new one
            log.warning("the version before has no report: %s", error)
        self.current = new
        if self._asked.is_set():
            new.stop()
        try:
            new.take_over(old)
        except Exception as error:
            self._broken = f"another version could not take over: {error}"
            new.stop()  # nobody would get its answers
            raise

    def _await_answers(self, old: Run, new: Run) -> None:
        until = time.monotonic() + ANSWER_S
        while missing := _answered(old) - _answered(new):
            if self._asked.is_set() or new.state is not RunState.RUNNING or old.state is not RunState.RUNNING:
                raise RunError("the new version has ended before it answered; nothing has changed")
            if time.monotonic() > until:
                names = ", ".join(sorted(missing))
                raise RunError(f"the new version has not answered {names} within {ANSWER_S:g} s; nothing has changed")
            time.sleep(_LOOK_S)


def _check(run: Run) -> None:
    recordings = [name for name, stream in run.pipeline.streams.items() if not stream.spec.live]
    if recordings:
        raise ConfigError(
            f"stream {recordings[0]} is a recording: a pipeline is replaced on cameras alone; run it again"
        )
    if run.state is not RunState.RUNNING:
        raise RunError(f"nothing can be replaced: the run is {run.state}")


def _answered(run: Run) -> set[str]:
    """Streams that a stage has answered, and that go on."""
    return {
        name
        for name, stream in run.status().streams.items()
        if not stream.paused and sum(stream.how.values()) > sum(stream.how.get(how, 0) for how in _NO_ANSWER)
    }
