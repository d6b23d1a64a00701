"""Drawn pictures over HTTP (MJPEG), for browsers and whatever else shows cameras: only while somebody watches."""

from __future__ import annotations

import asyncio
import html
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from pydantic import Field

from vidpipe.core.answer import Answer
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.newest import Newest
from vidpipe.core.settings import StageConfig
from vidpipe.results.frame_sink import FrameSinkWriter
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.http import LOCAL, Request, Server, head, put, put_page
from vidpipe.results.sinks.overlay import Moment, Overlay
from vidpipe.sources.base import StreamInfo

log = logging.getLogger(__name__)

_BOUNDARY = "vidpipe-picture"
_HEADERS = {
    "Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",  # no page of somebody else's shows it
}


class MjpegConfig(StageConfig):
    port: int = Field(ge=1, le=65535, description="to listen at")
    address: str = Field(default=LOCAL, description="the same; 0.0.0.0 lets other machines in")
    streams: list[str] = Field(default=["*"], description="which streams are shown, patterns with `*`")
    fps: float = Field(default=10, gt=0, description="most pictures a second")
    width: int = Field(default=1280, ge=64, description="wider pictures are scaled down to this many pixels")
    quality: int = Field(default=80, ge=1, le=100, description="of JPEG")


class MjpegSink(Sink):
    """Shows each stream at http://ADDRESS:PORT/STREAM, and all of them at http://ADDRESS:PORT/."""

    Config = MjpegConfig
    config: MjpegConfig

    def __str__(self) -> str:
        return f"mjpeg {self.config.address}:{self.config.port}"

    @property
    def frame_sink(self) -> MjpegFrameSink:
        return MjpegFrameSink(self.config)

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Pictures are shown where they are."""

    def try_out(self, event: Mapping[str, Any]) -> str:
        """See whether pictures can be served there."""
        PictureServer(self.config).close()
        return "can be served"


class _Drawing(NamedTuple):
    """What is to be drawn."""

    stream: str
    picture: Image
    answer: Answer
    moment: Moment
    ledger: Mapping[str, int]


class Channel:
    """The pictures of one stream, on their way from whoever answers frames to all who watch.

    Attributes:
        watchers: how many watch; changed by the server's thread only.
        jpeg: the newest picture, and its number.
    """

    def __init__(self) -> None:
        self.watchers = 0
        self.jpeg: tuple[int, bytes] = (0, b"")
        self.changed = asyncio.Event()
        self.overlay: Overlay | None = None
        self.is_broken = False  # and that was told

    def show(self, jpeg: bytes) -> None:
        """Have everybody take this picture next; in the server's thread."""
        self.jpeg = (self.jpeg[0] + 1, jpeg)
        self.changed.set()
        self.changed = asyncio.Event()


class PictureServer(Server):
    """Serves the streams of one process. Pictures are drawn and encoded in a thread of its own, each once for all who
    watch: while that one is busy the newest of each stream waits, and takes the place of one that waited before.

    Raises:
        ConfigError: nobody may listen there.
    """

    def __init__(self, config: MjpegConfig) -> None:
        self.config = config
        self.channels: dict[str, Channel] = {}
        self.used_by = 0  # streams
        self._waiting: Newest[str, _Drawing] = Newest()
        super().__init__(config.port, config.address, "pictures")
        self._drawer = threading.Thread(target=self._draw_all, name="vidpipe-mjpeg", daemon=True)
        self._drawer.start()

    def close(self) -> None:
        """End both threads and all connections."""
        self._waiting.close()
        self._drawer.join()
        super().close()

    def offer(self, drawing: _Drawing) -> None:
        """Have a picture drawn, unless a newer one of that stream comes before."""
        self._waiting.put(drawing.stream, drawing)

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_meant(request.headers.get("host", "")):
            await put_page(writer, request, b"asked for under a name that is not this machine's\n", "text/plain", 403)
        elif request.path == "/":
            await put_page(writer, request, self._index(), "text/html; charset=utf-8")
        elif (channel := self.channels.get(unquote(request.path[1:]))) is None:
            await put_page(writer, request, b"there is no such stream\n", "text/plain", 404)
        else:
            await put(writer, head(200, _HEADERS))
            if request.method == "GET":
                await _show(channel, reader, writer)

    def _index(self) -> bytes:
        shown = "".join(
            f'<p>{html.escape(name)}<br><img src="/{quote(name, safe="")}" alt=""></p>'
            for name in sorted(self.channels)
        )
        return f"<!doctype html><title>vidpipe</title>{shown}\n".encode()

    def _is_meant(self, host: str) -> bool:
        """Whether a request names this machine: a page elsewhere may lead its own name here, and read what comes."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return not is_local(self.config.address) or not name or is_local(name.strip("[]"))

    def _draw_all(self) -> None:
        while (drawing := self._waiting.take()) is not None:
            if (channel := self.channels.get(drawing.stream)) is None:
                continue
            try:
                self.loop.call_soon_threadsafe(channel.show, self._encoded(channel, drawing))
            except Exception as error:
                if not channel.is_broken:
                    channel.is_broken = True
                    log.warning("stream %s: a picture could not be shown: %s", drawing.stream, error)

    def _encoded(self, channel: Channel, drawing: _Drawing) -> bytes:
        import cv2

        height, width = drawing.picture.shape[:2]
        if channel.overlay is None or (channel.overlay.width, channel.overlay.height) != (width, height):
            channel.overlay = Overlay(width, height)
        drawn = channel.overlay.draw(drawing.picture, drawing.answer, drawing.moment, drawing.ledger)
        if drawn.shape[1] > self.config.width:
            size = (self.config.width, round(drawn.shape[0] * self.config.width / drawn.shape[1]))
            drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, self.config.quality])
        return jpeg.tobytes()


async def _show(channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give each picture that comes, as fast as they are taken; who takes none for a while is let go."""
    writer.transport.set_write_buffer_limits(high=0)  # `put` returns when all is taken: the next one is the newest then
    gone = asyncio.ensure_future(reader.read(1))
    channel.watchers += 1
    seen = channel.jpeg[0]
    try:
        while not gone.done():
            changed = asyncio.ensure_future(channel.changed.wait())
            if seen == channel.jpeg[0]:
                await asyncio.wait({changed, gone}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            number, jpeg = channel.jpeg
            if number != seen:
                seen = number
                told = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                await put(writer, told.encode() + jpeg + b"\r\n")
    finally:
        channel.watchers -= 1
        gone.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await gone


_servers: dict[tuple[str, int], PictureServer] = {}
_serving = threading.Lock()


@dataclass(frozen=True)
class MjpegFrameSink:
    """Shows the frames of streams, in the process that holds them: all of its streams share a server."""

    config: MjpegConfig

    def open(self, info: StreamInfo, *, resumed: bool = False) -> FrameSinkWriter:
        """Begin to show a stream.

        Raises:
            ConfigError: nobody may listen there, or the stream's pictures may not leave the device.
        """
        config = self.config
        if not any(fnmatchcase(info.name, pattern) for pattern in config.streams):
            return _Nothing()
        if info.stays and not is_local(config.address):
            raise ConfigError(
                f"sink mjpeg shows stream {info.name} to other machines, and its `leaves_device` says never: "
                f"listen at {LOCAL}, or leave it out of `streams`"
            )
        with _serving:
            key = config.address, config.port
            server = _servers.get(key) or PictureServer(config)
            _servers[key] = server
            server.used_by += 1
        return _Shown(server, key, info.name)


class _Nothing:
    """The end of a stream that is not shown."""

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None: ...

    def close(self) -> None: ...


class _Shown:
    """One stream's end: while nobody watches a frame costs it a comparison."""

    def __init__(self, server: PictureServer, key: tuple[str, int], stream: str) -> None:
        self._server = server
        self._key = key
        self._stream = stream
        self._channel = server.channels[stream] = Channel()
        self._interval_s = 1 / server.config.fps
        self._drawn_at = -math.inf

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Have it drawn, where somebody watches and it is time; see `FrameSinkWriter`."""
        if not self._channel.watchers or isinstance(item, Missing):
            return
        now = time.monotonic()
        if now - self._drawn_at < 0.9 * self._interval_s:  # a stream of just that rate is shown whole
            return
        self._drawn_at = now
        moment = Moment(self._stream, item.seq, item.pts, item.seq)
        self._server.offer(_Drawing(self._stream, item.bgr().copy(), answer, moment, dict(ledger)))

    def close(self) -> None:
        """Show it no more; with its last stream the server ends."""
        with _serving:
            if self._server.channels.get(self._stream) is self._channel:
                del self._server.channels[self._stream]
            self._server.used_by -= 1
            if not self._server.used_by:
                del _servers[self._key]
                self._server.close()


def is_local(address: str) -> bool:
    """Whether only this machine is reached under an address or name."""
    if address == "localhost":
        return True
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
