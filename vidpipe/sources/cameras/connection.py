"""One connection to a camera: opening it within bounds, and its packets as they come."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError, HTTPOtherClientError, InvalidDataError

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError
from vidpipe.sources.address import Address
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.errors import CameraError, Kind, authorities, camera_error
from vidpipe.sources.decoding.access_units import CODECS, AccessUnit, AccessUnitAssembler, NalFragment
from vidpipe.sources.decoding.container import VideoPacket, stamp_of

OPEN_S, READ_S = 8.0, 5.0

_QUICK = {"fpsprobesize": "0", "analyzeduration": "200000"}  # FFmpeg's own values watch a stream for five seconds
_IN_PIECES = {"fflags": "noparse"}
_SOON_S = 0.5
_ONLY_SOUND = "the camera sends only sound on this path, no video"


class Connection:
    """A camera's first video stream, over one connection. What blocks ends by itself after a time-out.

    FFmpeg cannot be woken from another thread: who wants to be gone sooner leaves the thread that is in here behind.

    Attributes:
        stream: FFmpeg's.
        transport: "tcp" or "udp" for RTSP, else "".
        hardware: what decodes `stream`, as FFmpeg calls it; None for software.
        in_pieces: pictures are put together here, and come without the period by which FFmpeg delays those of RTP.
    """

    def __init__(
        self,
        spec: StreamSpec,
        *,
        transport: str = "tcp",
        hardware: str | None = None,
        open_s: float = OPEN_S,
        read_s: float = READ_S,
        clock: Clock = REAL,
    ) -> None:
        """Connect.

        Args:
            hardware: to decode with, where it can decode this stream.
            clock: that tells when a picture came; FFmpeg's time-outs are of the machine's time.

        Raises:
            CameraError: it does not come about.
        """
        self._address = Address(spec.url)
        self._accelerator = HWAccel(hardware, allow_software_fallback=True) if hardware else None
        self._read_s = read_s
        self._clock = clock
        began = time.monotonic()
        try:
            url = self._address.reveal()  # once: what it refers to may be replaced meanwhile
            self.transport = transport if url.startswith("rtsp") else ""
            self.in_pieces = bool(self.transport)
            self._container = self._open(url, spec, (open_s, read_s))
        except HTTPOtherClientError as error:
            raise self._refusal(url, error, (open_s, read_s)) from None
        except SourceError as error:  # a variable may be set later, a file be written
            raise CameraError(Kind.NOT_FOUND, str(error)) from None
        except (FFmpegError, OSError) as error:
            took_s = time.monotonic() - began
            raise camera_error(error, self._address, took_s=took_s, timeout_s=open_s) from None
        streams = self._container.streams.video
        if not streams:
            sound = bool(self._container.streams.audio)
            self._container.close()
            raise CameraError(Kind.NOT_FOUND, _ONLY_SOUND if sound else "the camera sends no video")
        self.stream = streams[0]
        self.hardware = hardware if self.stream.codec_context.is_hwaccel else None

    def units(self) -> Iterator[tuple[AccessUnit, float]]:
        """Encoded pictures, each with the monotonic time at which it was whole, until the connection ends.

        Raises:
            CameraError: always, at the end: no camera ends by itself.
        """
        together = AccessUnitAssembler(self.stream.codec_context.name) if self.in_pieces else None
        waits_since = time.monotonic()
        try:
            for packet in self._container.demux(self.stream):
                waited_s = time.monotonic() - waits_since
                if waited_s >= 0.95 * self._read_s:  # FFmpeg hands out what it still had, then waits once more
                    break
                if not packet.size:
                    continue
                now = self._clock.monotonic()
                if together is None:
                    yield AccessUnit(packet, now, _sender_utc(packet)), now
                else:
                    for unit in together.add(NalFragment(bytes(packet), stamp_of(packet), now, _sender_utc(packet))):
                        yield unit, now
                waits_since = time.monotonic()
            else:
                raise CameraError(Kind.LOST, "the camera ended the connection")
        except (FFmpegError, OSError) as error:
            took_s = time.monotonic() - waits_since
            if took_s < 0.95 * self._read_s:
                raise camera_error(error, self._address, took_s=took_s, timeout_s=self._read_s) from None
        raise CameraError(Kind.TIMEOUT, f"nothing came for {self._read_s:g} s")

    def close(self) -> None:
        """Never raises; sends a farewell and does not wait for an answer."""
        self._container.close()

    def _open(self, url: str, spec: StreamSpec, timeout: tuple[float, float]) -> InputContainer:
        if self._address.device:
            return av.open(url, format="v4l2", timeout=timeout, hwaccel=self._accelerator)
        options = dict(_QUICK)
        if self.transport:
            options |= {"rtsp_transport": self.transport, "allowed_media_types": "video"}
        else:
            options |= {"use_wallclock_as_timestamps": "1"}  # MJPEG has no stamps
        if url.startswith(("rtsps:", "https:")) and spec.tls_verify:
            options |= {"tls_verify": "1", "ca_file": authorities() or ""}
        if self.in_pieces:
            container = self._open_in_pieces(url, options, timeout)
            if container is not None:
                return container
            self.in_pieces = False
        return av.open(url, options=options, timeout=timeout, hwaccel=self._accelerator)

    def _refusal(self, url: str, error: FFmpegError, timeout: tuple[float, float]) -> CameraError:
        """Why a camera refuses to play its video: it may offer none, which a look at all that it offers tells."""
        options = _QUICK | ({"rtsp_transport": self.transport} if self.transport else {})
        try:
            with av.open(url, options=options, timeout=timeout) as all_of_it:
                if all_of_it.streams.audio and not all_of_it.streams.video:
                    return CameraError(Kind.NOT_FOUND, _ONLY_SOUND)
        except (FFmpegError, OSError):
            pass
        return camera_error(error, self._address, took_s=0.0, timeout_s=timeout[0])

    def _open_in_pieces(self, url: str, options: dict[str, str], timeout: tuple[float, float]) -> InputContainer | None:
        """None where it takes FFmpeg's parser: codecs of other kinds, and cameras that do not describe their stream."""
        began = time.monotonic()
        try:
            container = av.open(url, options=options | _IN_PIECES, timeout=timeout, hwaccel=self._accelerator)
        except InvalidDataError:
            if time.monotonic() - began > _SOON_S:
                raise
            return None
        if container.streams.video and container.streams.video[0].codec_context.name in CODECS:
            return container
        container.close()
        return None


def _sender_utc(packet: VideoPacket) -> float | None:
    """UTC seconds of capture by the sender's RTCP reports (FFmpeg's AVProducerReferenceTime), or None."""
    if not packet.has_sidedata("prft"):
        return None
    wallclock_us: int = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))[0]
    return wallclock_us / 1e6
