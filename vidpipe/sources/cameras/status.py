"""What a camera's reader tells of itself, and others may ask at any time."""

from __future__ import annotations

import threading

from vidpipe.core.clock import Clock
from vidpipe.sources.health import Health, State


class Status:
    """The health of a camera, kept by its reader.

    Args:
        stall_s: without a packet, after which a live stream counts as stalled, though the reader still waits.
    """

    def __init__(self, stall_s: float, clock: Clock) -> None:
        self._stall_s = stall_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state, self._detail = State.CONNECTING, ""
        self._codec, self._decoder = "", ""
        self._size = (0, 0)
        self._received = self._decoded = self._bytes = 0
        self._connections = self._stalls = 0
        self._gap_s = 0.0
        self._came_at: float | None = None  # by the monotonic clock
        self._came_utc: float | None = None
        self._lost_at: float | None = None

    @property
    def health(self) -> Health:
        with self._lock:
            state, detail = self._state, self._detail
            silent_s = 0.0 if self._came_at is None else self._clock.monotonic() - self._came_at
            if state is State.LIVE and silent_s > self._stall_s:
                state, detail = State.STALLED, f"nothing has come for {silent_s:.0f} s"
            return Health(
                state,
                detail,
                last_frame_at=self._came_utc,
                received=self._received,
                decoded=self._decoded,
                bytes=self._bytes,
                reconnects=max(0, self._connections - 1),
                stalls=self._stalls,
                gap_s=self._gap_s,
                codec=self._codec,
                decoder=self._decoder,
                width=self._size[0],
                height=self._size[1],
            )

    def enter(self, state: State, detail: str = "") -> None:
        """Go over to another state; nothing follows on `stopped`."""
        with self._lock:
            if self._state is not State.STOPPED:
                self._state, self._detail = state, detail

    def connected(self, *, codec: str, decoder: str) -> None:
        """Connected."""
        with self._lock:
            self._connections += 1
            self._codec, self._decoder = codec, decoder

    def came(self, nbytes: int, now: float) -> None:
        """A packet, at `now` of the monotonic clock."""
        with self._lock:
            if self._came_at is not None and self._lost_at is None and now - self._came_at > self._stall_s:
                self._stalls += 1
            self._came_at, self._came_utc = now, self._clock.utc()
            self._received += 1
            self._bytes += nbytes

    def decoded(self, width: int, height: int) -> float | None:
        """A whole picture. Gives the seconds for which there was none before, if it is the first after a gap."""
        with self._lock:
            self._decoded += 1
            self._size = (width, height)
            if self._state is State.WARMING:
                self._state, self._detail = State.LIVE, ""
            if self._lost_at is None:
                return None
            gap_s = self._clock.monotonic() - self._lost_at
            self._lost_at = None
            self._gap_s += gap_s
            return gap_s

    def lost(self, *, silent: bool) -> None:
        """The connection has ended; `silent` where packets had ceased to come before."""
        with self._lock:
            if self._decoded and self._lost_at is None:
                self._lost_at = self._came_at
                self._stalls += silent
