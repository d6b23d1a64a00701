"""A recording as if it were a camera: it comes at its own speed, and waits for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.files.packets import FilePackets
from vidpipe.sources.health import Health, State
from vidpipe.sources.queue import dropped
from vidpipe.sources.read_ahead import ReadAhead


class LiveFileSource(ReadAhead):
    """A video file played at its own speed, from the moment at which the iteration begins.

    A thread of its own reads the file, and gives each picture when it is due, whether anybody is there to take it or
    not. `QUEUE` pictures wait, and the newest win: one more costs the oldest its place, and that one comes out as
    `Missing` ("overloaded"). So every picture is still given once, in order, and what is looked at is never older than
    the queue is long. `captured_at` is the UTC time at which a picture was due; in all else it is a `FileSource`.

    After a restart the clock goes on: what was due meanwhile is `Missing`, too.
    """

    def __init__(
        self, name: str, spec: StreamSpec, *, knobs: Knobs, resume: Resume | None = None, clock: Clock = REAL
    ) -> None:
        """Arguments and errors as of `FileSource`."""
        super().__init__(name, clock)
        self._file = FileSource(name, spec.waiting, knobs=knobs, resume=resume, clock=clock)
        self._resume = resume
        self._came = self._received = 0
        self._last_at: float | None = None
        self.info = replace(self._file.info, live=True)

    @property
    def notes(self) -> Sequence[str]:
        return self._file.notes

    @property
    def broken_off(self) -> str:
        return self._file.broken_off

    @property
    def health(self) -> Health:
        info = self.info
        state = State.STOPPED if self._stop.is_set() else State.LIVE if self._came else State.WARMING
        return Health(
            state,
            last_frame_at=self._last_at,
            received=self._received,
            decoded=self._came,
            codec=info.codec,
            decoder="software, 1 thread",
            width=info.width,
            height=info.height,
        )

    def packets(self, max_bytes: int) -> FilePackets | None:
        """See `FileSource.packets`."""
        return self._file.packets(max_bytes)

    def close(self) -> None:
        """See `ReadAhead.close`."""
        super().close()
        self._file.close()

    def _read(self) -> None:
        began = self._clock.monotonic()
        zero = self._zero()
        for item in self._file:
            if zero is None:
                zero = began - item.pts
            item.since = zero + item.pts
            if self._resume is not None and item.since < began:
                item.captured_at = item.since + self._clock.offset()
                self._queue.put(dropped(item, "restarting") if isinstance(item, Frame) else item)
                continue
            if self._stop.wait_until(item.since):
                return
            item.captured_at = item.since + self._clock.offset()
            self._received += 1
            if isinstance(item, Frame):
                self._last_at = self._clock.utc()
                self._came += 1
            self._queue.put(item)

    def _zero(self) -> float | None:
        """When media time 0 was before a restart, by the monotonic clock of now; None where there was none."""
        before = self._resume
        if before is None or before.captured_at is None:
            return None
        return before.captured_at - self._clock.offset() - before.pts
