"""One connection to a camera: opening it within bounds, and its packets as they come."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import TypeAlias

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from vidpipe.errors import SourceError
from vidpipe.sources.address import Address
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.trouble import CameraError, Kind, authorities, trouble_of

VideoPacket: TypeAlias = "Packet[VideoStream]"

OPEN_S, READ_S = 8.0, 5.0

_QUICK = {"fpsprobesize": "0", "analyzeduration": "200000"}  # FFmpeg's own values watch a stream for five seconds


class Connection:
    """A camera's first video stream, over one connection. What blocks ends by itself after a time-out.

    FFmpeg cannot be woken from another thread: who wants to be gone sooner leaves the thread that is in here behind.

    Attributes:
        stream: FFmpeg's.
        transport: "tcp" or "udp" for RTSP, else "".
        hardware: what decodes `stream`, as FFmpeg calls it; None for software.
    """

    def __init__(
        self,
        spec: StreamSpec,
        *,
        transport: str = "tcp",
        hardware: str | None = None,
        open_s: float = OPEN_S,
        read_s: float = READ_S,
    ) -> None:
        """Connect.

        Args:
            hardware: to decode with, where it can decode this stream.

        Raises:
            CameraError: it does not come about.
        """
        self._address = Address(spec.url)
        self._accelerator = HWAccel(hardware, allow_software_fallback=True) if hardware else None
        self._read_s = read_s
        began = time.monotonic()
        try:
            self.transport = transport if self._address.scheme.startswith("rtsp") else ""
            self._container = self._open(spec, (open_s, read_s))
        except SourceError as error:  # a variable may be set later, a file be written
            raise CameraError(Kind.NOT_FOUND, str(error)) from None
        except (FFmpegError, OSError) as error:
            took_s = time.monotonic() - began
            raise trouble_of(error, self._address, took_s=took_s, timeout_s=open_s) from None
        streams = self._container.streams.video
        if not streams:
            self._container.close()
            raise CameraError(Kind.NOT_FOUND, "the camera sends no video")
        self.stream = streams[0]
        self.hardware = hardware if self.stream.codec_context.is_hwaccel else None

    def packets(self) -> Iterator[tuple[VideoPacket, float]]:
        """Packets, each with the monotonic time of its arrival, until the connection ends.

        Raises:
            CameraError: always, at the end: no camera ends by itself.
        """
        waits_since = time.monotonic()
        try:
            for packet in self._container.demux(self.stream):
                now = time.monotonic()
                if now - waits_since >= 0.95 * self._read_s:  # FFmpeg hands out what it still had, then waits once more
                    break
                if packet.size:
                    yield packet, now
                waits_since = time.monotonic()
            else:
                raise CameraError(Kind.LOST, "the camera ended the connection")
        except (FFmpegError, OSError) as error:
            took_s = time.monotonic() - waits_since
            raise trouble_of(error, self._address, took_s=took_s, timeout_s=self._read_s) from None
        raise CameraError(Kind.TIMEOUT, f"nothing came for {self._read_s:g} s")

    def close(self) -> None:
        """Never raises; sends a farewell and does not wait for an answer."""
        self._container.close()

    def _open(self, spec: StreamSpec, timeout: tuple[float, float]) -> InputContainer:
        address = self._address
        if address.device:
            return av.open(address.device, format="v4l2", timeout=timeout, hwaccel=self._accelerator)
        options = dict(_QUICK)
        if address.scheme.startswith("rtsp"):
            options |= {"rtsp_transport": self.transport, "allowed_media_types": "video"}
        else:
            options |= {"use_wallclock_as_timestamps": "1"}  # MJPEG has no stamps
        if address.scheme in ("rtsps", "https") and spec.tls_verify:
            options |= {"tls_verify": "1", "ca_file": authorities() or ""}
        return av.open(address.reveal(), options=options, timeout=timeout, hwaccel=self._accelerator)


def sender_utc(packet: VideoPacket) -> float | None:
    """UTC seconds of capture by the sender's RTCP reports (FFmpeg's AVProducerReferenceTime), or None."""
    if not packet.has_sidedata("prft"):
        return None
    wallclock_us: int = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))[0]
    return wallclock_us / 1e6
