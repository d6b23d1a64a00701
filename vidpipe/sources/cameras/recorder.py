"""A second connection to a camera, with a better picture for clips: its packets are kept, and never decoded."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from vidpipe.core.clock import REAL, Clock, Stop
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.cameras.errors import Backoff, CameraError, Kind
from vidpipe.sources.clock import CaptureClock
from vidpipe.sources.decoding.container import ASSUMED_FPS, believable_fps, stamp_of
from vidpipe.sources.decoding.packets import Coding, Kept, KeptConnection, PacketRing

log = logging.getLogger(__name__)

_AWAY = "record_url is away"
_NO_KEY = "record_url has sent no key frame"
_GOOD_S = 10.0  # of packets, after which errors are forgotten


class Analysed(Protocol):
    """The stream that is looked at, as far as another connection to its camera must know it.

    Attributes:
        zero: when its media time was 0, by the monotonic clock; None before its first picture.
        sender_lag_s: by how much its pictures are dated later than by the sender's clock; None where that tells none.
    """

    @property
    def zero(self) -> float | None: ...

    @property
    def sender_lag_s(self) -> float | None: ...


class Recorder:
    """Keeps what a stream's `record_url` sends, with the media times of the analysed stream, as `Packets`.

    Both connections date pictures by the monotonic clock. Where both tell the sender's clock (RTCP sender reports),
    which is that of one camera, what the dates differ by for one moment of it is taken off. Else both are taken to come
    without delay, which leaves the time by which one is encoded and sent later than the other.

    A thread of its own connects, and tries again for as long as it is away; nothing else waits for it.

    Args:
        name: of the stream.
        spec: of the stream; its `record_url` is what is connected to.
        ring: where packets are kept.
        analysed: the stream that is looked at.
    """

    def __init__(self, name: str, spec: StreamSpec, ring: PacketRing, analysed: Analysed, clock: Clock = REAL) -> None:
        assert spec.record_url is not None
        self._name = name
        self._spec = spec.model_copy(update={"url": spec.record_url})
        self._ring = ring
        self._analysed = analysed
        self._clock = clock
        self._stop = Stop(clock)
        self._backoff = Backoff(random.Random())
        self._transport = "udp" if spec.transport == "udp" else "tcp"
        self._told: set[Kind] = set()
        self.offset_s: float | None = None
        ring.lacking = _AWAY
        # Inside FFmpeg it cannot be woken: it ends with FFmpeg's time-out, and holds nothing that others wait for.
        threading.Thread(target=self._run, name=f"vidpipe-record-{name}", daemon=True).start()

    @property
    def coding(self) -> Coding | None:
        return self._ring.coding

    @property
    def newest(self) -> float:
        return self._ring.newest

    @property
    def lacking(self) -> str:
        return self._ring.lacking

    @property
    def note(self) -> str:
        if self.offset_s is None:
            return "of record_url, put by when its pictures came"
        return f"of record_url, put {-self.offset_s:+.3f} s by the sender's clock"

    def keep_from(self, pts: float) -> None:
        self._ring.keep_from(pts)

    def between(self, begin: float, end: float) -> Sequence[Kept]:
        return self._ring.between(begin, end)

    def close(self) -> None:
        """Connect no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._record()
            except CameraError as error:
                self._wait(error)
            except BaseException as error:  # a fault of ours; its message may hold the address
                self._wait(CameraError(Kind.PICTURE, type(error).__name__))

    def _wait(self, error: CameraError) -> None:
        self._ring.lacking = _AWAY
        self._ring.break_off()
        if self._stop.is_set():
            return
        if error.kind is Kind.TRANSPORT and self._spec.transport == "auto" and self._transport == "tcp":
            self._transport = "udp"
            return
        if error.kind not in self._told:
            log.warning("camera %s: no clips, record_url is away: %s; it is tried again", self._name, error)
            self._told.add(error.kind)
        self._stop.wait_until(self._clock.monotonic() + self._backoff.wait_s(error.kind))

    def _record(self) -> None:
        """One connection, from its beginning to its end. Raises CameraError."""
        connection = Connection(self._spec, transport=self._transport, clock=self._clock)
        try:
            stream = connection.stream
            period_s = 1 / (believable_fps(stream) or ASSUMED_FPS)
            known_s = period_s if connection.transport and not connection.in_pieces else 0.0
            times = CaptureClock(stream.time_base or Fraction(1, 90_000), period_s, self._clock, known_s=known_s)
            kept = KeptConnection(self._ring, stream)
            self._ring.lacking = _NO_KEY
            since = self._clock.monotonic()
            for unit, now in connection.units():
                if self._stop.is_set():
                    return
                at = times.at(stamp_of(unit.packet), unit.at, unit.sender_utc).at
                if unit.sender_utc is not None:
                    self._align(at - unit.sender_utc)
                if (zero := self._analysed.zero) is not None:
                    kept.keep(unit.packet, at - (self.offset_s or 0.0) - zero)
                if now - since > _GOOD_S:
                    self._told.clear()
                    self._backoff.reset()
        finally:
            connection.close()

    def _align(self, lag_s: float) -> None:
        """Take off what pictures of this connection are dated later than those of the analysed stream."""
        analysed_s = self._analysed.sender_lag_s
        self.offset_s = None if analysed_s is None else lag_s - analysed_s
