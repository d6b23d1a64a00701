"""One thread for each process that writes pictures and clips, so that no stream waits for a disk."""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import VidpipeError, text_of
from vidpipe.media.counts import MediaCounts, What
from vidpipe.media.folder import LOOK_EVERY_S, MediaFolder
from vidpipe.media.spec import MediaSpec

log = logging.getLogger(__name__)

_WAITING = 64  # files that wait to be written
_SOON_S = 0.25  # at clips whose time may have come though no picture came


class DroppedError(Exception):
    """Why a picture or clip is not made, in a few words: it is counted by them."""


class _Job(NamedTuple):
    stream: str
    what: What
    work: Callable[[], None]


class MediaWriter:
    """Writes what the streams of this process hand over, in order.

    Attributes:
        spec: what is asked for.
        folder: where it all goes.
        counts: what became of it.
    """

    def __init__(self, spec: MediaSpec, clock: Clock = REAL) -> None:
        self.spec = spec
        self.counts = MediaCounts()
        self.folder = MediaFolder(spec, clock, self.counts.deleted)
        self._clock = clock
        self._jobs: deque[_Job] = deque()
        self._at_work: str | None = None
        self._changed = threading.Condition()
        self._watched: list[Callable[[], bool]] = []
        self._woken = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="vidpipe-media", daemon=True)

    def open(self) -> None:
        """Have the folder there, and begin; again and again, if you like. Raises ConfigError."""
        with self._changed:
            if self._thread.ident is None:
                self.folder.open()
                self._thread.start()

    def watch(self, look: Callable[[], bool]) -> None:
        """Call this now and then, in the thread that writes, for as long as it says that something is open."""
        with self._changed:
            self._watched.append(look)

    def unwatch(self, look: Callable[[], bool]) -> None:
        """Call it no more."""
        with self._changed, suppress(ValueError):
            self._watched.remove(look)

    def wake(self) -> None:
        """Something has been opened that is to be looked at."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def put(self, stream: str, what: What, work: Callable[[], None], *, wait: bool) -> bool:
        """Have something written; whether it will be tried.

        Args:
            work: writes it; raises `DroppedError` where there is nothing to write.
            wait: while too much is waiting; else it is dropped.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: len(self._jobs) < _WAITING or self._closing)
            elif len(self._jobs) >= _WAITING:
                self._drop(stream, what, "the disk is too slow")
                return False
            self._jobs.append(_Job(stream, what, work))
            self._changed.notify_all()
            return True

    def write(self, stream: str, path: Path, write: Callable[[Path], None]) -> None:
        """Write one file, in this thread; see `MediaFolder.write`."""
        try:
            self.folder.write(path, write)
        finally:
            self.folder.let_go(path)

    def await_all(self, stream: str, timeout_s: float) -> None:
        """Wait until what a stream has handed over is written, but not longer than that."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._at_work != stream and all(job.stream != stream for job in self._jobs), timeout_s
            )

    def close(self) -> None:
        """Write what waits, and end; who does not wait for the thread loses what is left."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _run(self) -> None:
        open_ = False
        while True:
            with self._changed:
                until = self._clock.monotonic() + (_SOON_S if open_ else LOOK_EVERY_S)
                self._clock.wait_for(self._changed, lambda: self._jobs or self._woken or self._closing, until)
                if self._closing and not self._jobs:
                    return
                self._woken = False
                job = self._jobs.popleft() if self._jobs else None
                self._at_work = job.stream if job else None
                watched = list(self._watched)
            if job is not None:
                self._do(job)
            self.folder.mind()
            looks = [look() for look in watched]  # at each of them
            open_ = any(looks)
            with self._changed:
                self._at_work = None
                self._changed.notify_all()

    def _do(self, job: _Job) -> None:
        try:
            job.work()
        except DroppedError as why:
            self._drop(job.stream, job.what, str(why))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._drop(job.stream, job.what, "the disk is full" if full else error.strerror or type(error).__name__)
        except VidpipeError as error:
            log.debug("%s of %s", job.what, job.stream, exc_info=error)
            self._drop(job.stream, job.what, "the recording cannot be read again")
        except BaseException as error:  # a fault here must not end the thread for which others wait
            log.debug("%s of %s", job.what, job.stream, exc_info=error)
            self._drop(job.stream, job.what, f"{type(error).__name__}: {text_of(error)}".splitlines()[0])
        else:
            self.counts.written(job.stream, job.what)

    def _drop(self, stream: str, what: What, why: str) -> None:
        if self.counts.dropped(stream, what, why):
            log.warning("stream %s: a %s is not made: %s; it goes on", stream, what.removesuffix("s"), why)
