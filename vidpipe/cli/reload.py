"""Reading a configuration again, when it has changed or a SIGHUP asks for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vidpipe.core.clock import REAL, Clock
from vidpipe.pipeline.spec import Pipeline

LOOK_EVERY_S = 1.0

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Reload:
    """Gives the pipeline anew where its files have changed and been left alone for `LOOK_EVERY_S`.

    Args:
        load: reads it; what it raises goes through.
        files: that it is read from.

    Attributes:
        load: as above.
    """

    def __init__(self, load: Callable[[], Pipeline], files: Sequence[Path], clock: Clock = REAL) -> None:
        self.load = load
        self._clock = clock
        self._files = files
        self._asked = threading.Event()
        self._looked_at = self._clock.monotonic()
        self._taken = self._seen = _stamp(files)

    def ask(self) -> None:
        """Read it again in any case; also from a signal's handler."""
        self._asked.set()

    def __call__(self) -> Pipeline | None:
        if not self._has_changed():
            return None
        self._asked.clear()
        self._taken = self._seen
        return self.load()

    def _has_changed(self) -> bool:
        if self._asked.is_set():
            self._seen = _stamp(self._files)
            return True
        if self._clock.monotonic() - self._looked_at < LOOK_EVERY_S:
            return False
        self._looked_at = self._clock.monotonic()
        before, self._seen = self._seen, _stamp(self._files)
        # An editor may be half done: a file counts once it looks the same twice.
        return self._seen == before != self._taken


@contextmanager
def on_hangup(ask: Callable[[], None]) -> Iterator[None]:
    """Have SIGHUP ask for it, inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _stamp(files: Sequence[Path]) -> _Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:  # between the old and the new one
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
