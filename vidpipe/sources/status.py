"""What a camera's reader tells of itself, and others may ask at any time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from vidpipe.sources.health import Health, State


class Status:
    """The health of a camera, kept by its reader.

    Args:
        stall_s: without a packet, after which a live stream counts as stalled, though the reader still waits.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._lock = threading.Lock()
        self._health = Health(State.CONNECTING)
        self._came_at: float | None = None  # by the monotonic clock
        self._lost_at: float | None = None
        self._connected = False

    @property
    def health(self) -> Health:
        with self._lock:
            health, came_at = self._health, self._came_at
        silent_s = 0.0 if came_at is None else time.monotonic() - came_at
        if health.state is State.LIVE and silent_s > self._stall_s:
            return replace(health, state=State.STALLED, detail=f"nothing has come for {silent_s:.0f} s")
        return health

    def enter(self, state: State, detail: str = "") -> None:
        """Go over to another state; nothing follows on `stopped`."""
        with self._lock:
            if self._health.state is not State.STOPPED:
                self._health = replace(self._health, state=state, detail=detail)

    def describe(self, *, codec: str, decoder: str) -> None:
        with self._lock:
            self._health = replace(self._health, codec=codec, decoder=decoder)

    def came(self, nbytes: int, now: float) -> None:
        """A packet, at `now` of the monotonic clock."""
        with self._lock:
            health, before = self._health, self._came_at
            stalled = before is not None and self._lost_at is None and now - before > self._stall_s
            self._came_at = now
            self._health = replace(
                health,
                last_frame_at=time.time(),
                received=health.received + 1,
                bytes=health.bytes + nbytes,
                stalls=health.stalls + stalled,
            )

    def decoded(self, width: int, height: int) -> float | None:
        """A whole picture. Gives the seconds for which there was none before, if it is the first of a connection."""
        with self._lock:
            health, lost_at = self._health, self._lost_at
            gap_s = None if lost_at is None else time.monotonic() - lost_at
            self._lost_at = None
            state = health.state
            if state is State.WARMING:
                health = replace(health, state=State.LIVE, detail="")
            self._health = replace(
                health, decoded=health.decoded + 1, width=width, height=height, gap_s=health.gap_s + (gap_s or 0.0)
            )
        return gap_s

    def lost(self, *, silent: bool) -> None:
        """The connection has ended; `silent` where packets had ceased to come before."""
        with self._lock:
            health = self._health
            was_live = health.decoded > 0 and self._lost_at is None
            if was_live:
                self._lost_at = self._came_at
            self._health = replace(health, stalls=health.stalls + (silent and was_live))

    def connected(self) -> None:
        """A connection stands."""
        with self._lock:
            again = self._connected
            self._connected = True
            self._health = replace(self._health, reconnects=self._health.reconnects + again)
