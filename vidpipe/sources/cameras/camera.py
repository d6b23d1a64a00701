"""A camera as a source: connected for as long as it takes, read without waiting for anybody."""

from __future__ import annotations

import logging
import random
import traceback
from pathlib import Path

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.settings import Knobs
from vidpipe.sources.address import check_address
from vidpipe.sources.base import Resume, StreamInfo, StreamSpec
from vidpipe.sources.cameras.anomaly import AnomalyDetector
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.cameras.errors import Backoff, CameraError, Kind
from vidpipe.sources.cameras.frame_stamper import FrameStamper
from vidpipe.sources.cameras.session import CameraState, Session, Timings
from vidpipe.sources.cameras.status import Status
from vidpipe.sources.decoding import hardware
from vidpipe.sources.decoding.decode_policy import DecodePolicy
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.health import Health, State
from vidpipe.sources.read_ahead import ReadAhead

log = logging.getLogger(__name__)

CLOSE_S = 1.0  # that the end of the iteration waits for the reader

_USUAL = Timings()


class CameraSource(ReadAhead):
    """The pictures of a camera, for as long as the run goes on, whatever becomes of the camera.

    A thread of its own connects, reads and decodes, and never waits for whoever takes the pictures: `QUEUE` wait, and
    the newest win. When the connection is lost, or brings nothing usable, it is made anew after a while (`Backoff`).
    Every picture that came over the wire comes out once, in order, as `Frame` or as `Missing` with the reason. While
    there is no connection there are no pictures: `pts` and `captured_at` show the gap, `health` adds it up, and the
    first frame behind it has another `discontinuity`.

    A connection counts from the first key frame that decodes whole; what comes before is not shown to anybody.
    """

    def __init__(
        self,
        name: str,
        spec: StreamSpec,
        *,
        knobs: Knobs,
        resume: Resume | None = None,
        timings: Timings = _USUAL,
        clock: Clock = REAL,
        ring: PacketRing | None = None,
    ) -> None:
        """Nothing is connected before the iteration begins: a camera that is away keeps nobody waiting.

        Args:
            ring: keeps what the camera sends; None: nobody wants it.

        Raises:
            SourceError: the address is none.
        """
        # Inside FFmpeg it cannot be woken; it touches nothing of ours any more, and ends with FFmpeg's time-out.
        super().__init__(name, clock, join_s=CLOSE_S)
        check_address(spec.url)
        self._name = name
        self._camera = CameraState(
            name,
            spec,
            timings,
            clock,
            FrameStamper(name, spec, knobs, resume, clock),
            self._queue,
            Status(timings.stall_s, clock),
            DecodePolicy(spec.decoding.max_blind_s, still_s=timings.still_s),
            AnomalyDetector(frozen_s=timings.frozen_s, flat_s=timings.flat_s),
            self._stop,
            ring,
        )
        self._backoff = Backoff(random.Random(), first_s=timings.first_s, cap_s=timings.cap_s)
        self._transport = "udp" if spec.transport == "udp" else "tcp"
        self._failure = ""
        self._told: set[Kind] = set()

    @property
    def info(self) -> StreamInfo:
        """Size and codec are known once the first picture has come."""
        health = self._camera.status.health
        return StreamInfo(self._name, health.width, health.height, None, None, live=True, codec=health.codec)

    @property
    def health(self) -> Health:
        return self._camera.status.health

    @property
    def zero(self) -> float | None:
        """When media time was 0, by the monotonic clock; None before the first picture."""
        return self._camera.stamper.zero

    @property
    def sender_lag_s(self) -> float | None:
        """By how much pictures are dated later than by the sender's clock; None where that tells none."""
        return self._camera.sender_lag_s

    @property
    def notes(self) -> list[str]:
        """How the camera fared, in a line; complete when the iteration has ended."""
        if self._reader.ident is None:
            return []
        health = self._camera.status.health
        if not health.received:
            return [f"never seen: {self._failure or 'no picture came'}"]
        if not health.reconnects:
            return []
        times = "once" if health.reconnects == 1 else f"{health.reconnects} times"
        return [f"connected anew {times}, out of sight for {health.gap_s:.1f} s in all"]

    def close(self) -> None:
        """See `ReadAhead.close`."""
        self._camera.status.enter(State.STOPPED)
        super().close()

    def _read(self) -> None:
        while not self._stop.is_set():
            self._connect()

    def _connect(self) -> None:
        """One connection, from its beginning to its end, and the wait behind it."""
        camera = self._camera
        camera.status.enter(State.CONNECTING, self._failure)
        try:
            self._serve()
            return
        except CameraError as error:
            failure = error
        except BaseException as error:  # a fault of ours must not end what shall run for months
            failure = _fault(error)
        camera.status.lost(silent=failure.kind is Kind.TIMEOUT)
        if self._stop.is_set():
            return
        wait_s = 0.0 if self._falls_back(failure) else self._backoff.wait_s(failure.kind)
        until = self._clock.monotonic() + wait_s
        self._tell(failure, wait_s)
        camera.status.enter(State.BACKING_OFF, f"{failure}; next try in {wait_s:.1f} s")
        self._stop.wait_until(until)

    def _serve(self) -> None:
        timings = self._camera.timings
        spec = self._camera.spec
        connection = Connection(
            spec,
            transport=self._transport,
            hardware=hardware.HERE.best() if spec.decoder == "auto" else None,
            open_s=timings.open_s,
            read_s=timings.read_s,
            clock=self._clock,
        )
        try:
            Session(self._camera, connection, self._gone_well).run()
        except CameraError as error:
            anomaly = self._camera.anomaly  # frozen or of one grey: that is the camera's doing
            if error.kind is Kind.PICTURE and connection.hardware and not anomaly:
                log.warning("camera %s: not decoded by %s any more: %s", self._name, connection.hardware, error)
                hardware.HERE.refuse(connection.hardware)
            raise
        finally:
            connection.close()

    def _falls_back(self, failure: CameraError) -> bool:
        """Take the other transport where the camera does not offer this one, and the user has left the choice to us."""
        if self._camera.spec.transport != "auto" or failure.kind is not Kind.TRANSPORT or self._transport == "udp":
            return False
        self._transport = "udp"
        return True

    def _gone_well(self) -> None:
        self._failure = ""
        self._told.clear()
        self._backoff.reset()

    def _tell(self, failure: CameraError, wait_s: float) -> None:
        """Once for each kind of failure, until it is over: a camera that is away for days does not fill the log."""
        if failure.kind not in self._told:
            loud = logging.ERROR if failure.kind.slow else logging.WARNING
            log.log(loud, "camera %s: %s; next try in %.1f s", self._name, failure, wait_s)
        self._told.add(failure.kind)
        self._failure = str(failure)


def _fault(error: BaseException) -> CameraError:
    """What is told of a fault: where, and not its message, which may hold the address."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return CameraError(Kind.PICTURE, f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}")
