"""What a live source knows of itself: state, and counts that only grow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a live stream stands. Of `degraded` and `overloaded` the engine tells, of the others the source."""

    CONNECTING = "connecting"
    WARMING = "warming"
    LIVE = "live"
    STALLED = "stalled"
    BACKING_OFF = "backing off"
    DEGRADED = "degraded"
    OVERLOADED = "overloaded"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Health:
    """A live source at one moment. Counts are since the source was opened; rates are for the reader to work out.

    Attributes:
        detail: why it is in this state, in words a user understands and without any part of an address that could be
            secret: "401: wrong user or password; next try in 28 s".
        last_frame_at: UTC seconds at which the newest picture came; None before the first.
        received: pictures that came over the wire, whether they were decoded or not.
        decoded: of those, the ones that were decoded whole.
        bytes: of video that came over the wire.
        reconnects, stalls: how often the connection was made anew, and how often pictures ceased to come.
        gap_s: for how long nothing was seen in all, from the last picture of one connection to the first of the next.
        codec: FFmpeg's name, "" before it is known.
        decoder: the path of decoding that is in use: "software, 1 thread", "vaapi".
        width, height: of the picture in pixels; 0 before it is known.
    """

    state: State
    detail: str = ""
    last_frame_at: float | None = None
    received: int = 0
    decoded: int = 0
    bytes: int = 0
    reconnects: int = 0
    stalls: int = 0
    gap_s: float = 0.0
    codec: str = ""
    decoder: str = ""
    width: int = 0
    height: int = 0
