"""A camera that shows what it is told, when it is told: for tests of what happens live, without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Frame, Image
from vidpipe.core.picture import BgrPicture
from vidpipe.sources.base import StreamInfo
from vidpipe.sources.health import Health, State
from vidpipe.sources.read_ahead import Queued


class FakeCamera(Queued):
    """A live `Source`: it gives a picture when `show` is called, and waits meanwhile.

    Args:
        name: of the stream.
        size: (width, height) of a picture that is not given.
        fps: between pictures whose pts is not given.
        clock: that tells when a picture is taken.
    """

    def __init__(
        self, name: str = "cam", size: tuple[int, int] = (64, 48), fps: float = 10.0, clock: Clock = REAL
    ) -> None:
        super().__init__(clock)
        self.info = StreamInfo(name, *size, fps, None, live=True, codec="fake")
        self._size = size
        self._fps = fps
        self._shown = 0
        self._health = Health(State.CONNECTING, codec="fake", decoder="none", width=size[0], height=size[1])

    @property
    def notes(self) -> Sequence[str]:
        return ()

    @property
    def health(self) -> Health:
        return self._health

    def show(self, picture: Image | None = None, *, pts: float | None = None) -> int:
        """Give one picture, uint8 [h, w, 3] BGR, by default a dark one, as taken now; its number."""
        seq, self._shown = self._shown, self._shown + 1
        pixels = np.full((*self._size[::-1], 3), 40, np.uint8) if picture is None else picture
        now = self._clock.utc()
        frame = Frame(
            self.info.name,
            seq,
            seq / self._fps if pts is None else pts,
            BgrPicture(pixels),
            pixels.shape[1],
            pixels.shape[0],
            captured_at=now,
            since=self._clock.monotonic(),
        )
        self.tell(state=State.LIVE, last_frame_at=now, received=self._shown, decoded=self._shown)
        self._queue.put(frame)
        return seq

    def tell(self, **changes: Any) -> None:
        """Change what `health` says, by the names of its fields."""
        self._health = replace(self._health, **changes)

    def end(self, error: Exception | None = None) -> None:
        """Give no more; what was shown is still taken, and then the error raised."""
        self._queue.end(error)

    def close(self) -> None:
        self.tell(state=State.STOPPED)
        self.end()
