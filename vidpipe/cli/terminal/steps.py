"""The progress of long work that goes step by step, on stderr."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Steps:
    """A line for the step at hand, with a bar where it counts; where stderr is no terminal, a line when one ends."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._what = ""
        self._began = 0.0

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(done=kind is None)
        self._bar.stop()

    def step(self, what: str, total: int | None = None) -> None:
        """A step begins, and the one before it ends."""
        self._end(done=True)
        self._what, self._began = what, time.monotonic()
        self._task = self._bar.add_task(what, total=total)

    def advance(self, count: int = 1) -> None:
        """So many more of the step's total."""
        if self._task is not None:
            self._bar.advance(self._task, count)

    def _end(self, *, done: bool) -> None:
        if self._task is None:
            return
        self._bar.remove_task(self._task)
        self._task = None
        if done and self._bar.disable:
            self._console.print(f"{self._what} ({time.monotonic() - self._began:.1f} s)", markup=False, soft_wrap=True)
