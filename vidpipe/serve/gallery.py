"""The newest picture of each stream, for whoever looks at it; the page's end of `shots`."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from vidpipe.serve.shots import HEAD, Wanted

_LONGEST = 64 << 20  # bytes of a picture, and of what is told of it
_MOST_PIECES = 600  # of video that wait for somebody: some ten seconds
MOST_AUDITED = 500  # pictures of audits that are kept, of all streams: some 30 MB
HEARTBEAT_S = 10.0  # after which something is sent though nothing has come: so a connection that is dead is seen


class Shot(NamedTuple):
    """A picture of a stream.

    Attributes:
        number: counts up.
        told: of its frame and answer, as `shots` has it.
        jpeg: "" where none has come yet.
    """

    number: int
    told: dict[str, Any]
    jpeg: bytes

    def packed(self) -> bytes:
        """As one record of the live stream: two lengths (big-endian, 4 bytes each), JSON, JPEG."""
        text = json.dumps(self.told).encode()
        return HEAD.pack(len(text), len(self.jpeg)) + text + self.jpeg


@dataclass(eq=False)
class Viewer:
    """Somebody who looks at some streams.

    Attributes:
        changed: set when one of them has a new picture.
    """

    wanted: Wanted
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Channel:
    """One stream.

    Attributes:
        shot: the newest picture; None before the first.
    """

    def __init__(self) -> None:
        self.shot: Shot | None = None
        self.viewers: set[Viewer] = set()
        self.videos: dict[int, asyncio.Queue[tuple[dict[str, Any], bytes]]] = {}  # who is shown video
        self.sender: asyncio.StreamWriter | None = None

    def show(self, told: dict[str, Any], jpeg: bytes) -> None:
        """Take a new picture."""
        self.shot = Shot(self.shot.number + 1 if self.shot else 1, told, jpeg)
        for viewer in self.viewers:
            viewer.changed.set()

    def ask(self, stream: str) -> None:
        """Tell the process that has the stream what is looked at now."""
        if self.sender is None:
            return
        wanted = None
        if self.viewers:
            every = [viewer.wanted for viewer in self.viewers]
            wanted = [
                min(each.interval_s for each in every),
                min(each.still_s for each in every),
                max(each.width for each in every),
            ]
        self.sender.write(json.dumps({"stream": stream, "wanted": wanted}).encode() + b"\n")

    def ask_video(self, stream: str) -> None:
        """The same of video."""
        if self.sender is not None:
            self.sender.write(json.dumps({"stream": stream, "videos": [*self.videos]}).encode() + b"\n")

    def show_video(self, told: dict[str, Any], mp4: bytes) -> None:
        """Take some video for one viewer; who is too slow for it gets no more."""
        if (queue := self.videos.get(told["video"])) is None:
            return
        if queue.full():
            del self.videos[told["video"]]
        else:
            queue.put_nowait((told, mp4))


class Gallery:
    """The pictures of one run. All but the constructor is for the thread of the page's server.

    Args:
        place: path of the socket to listen at.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._channels: dict[str, Channel] = {}
        self._audited: OrderedDict[tuple[str, int], Shot] = OrderedDict()  # by stream and frame
        self._writers: set[asyncio.StreamWriter] = set()
        self._ids = count(1)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen, inside the block."""
        server = await asyncio.start_unix_server(self._receive, self.place)
        try:
            yield
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()

    def channel(self, stream: str) -> Channel:
        """That of a stream, made where there is none."""
        return self._channels.setdefault(stream, Channel())

    async def video(self, stream: str) -> AsyncIterator[bytes]:
        """What the camera sends, with the answer to each picture, packed as `Shot.packed`: MP4 in place of JPEG.

        Told of a record: `begins` where a file begins (`Piece`), the answer and `pts` of a picture, or `none`: why
        there is no video, and no more comes. Who takes it so slowly that too much waits gets no more.
        """
        channel = self.channel(stream)
        id, queue = next(self._ids), asyncio.Queue[tuple[dict[str, Any], bytes]](_MOST_PIECES)
        channel.videos[id] = queue
        channel.ask_video(stream)
        try:
            while id in channel.videos:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        told, mp4 = await queue.get()
                except TimeoutError:
                    told, mp4 = {}, b""
                yield Shot(0, told, mp4).packed()
                if "none" in told:
                    return
        finally:
            channel.videos.pop(id, None)
            channel.ask_video(stream)

    def audited(self, stream: str, seq: int) -> Shot | None:
        """A frame on which an audit found an answer wrong, with what the last stage saw; None where it is not kept."""
        return self._audited.get((stream, seq))

    async def newest(self, stream: str, width: int, wait_s: float) -> Shot | None:
        """A picture of now; the one before where none comes in that time; None where there is none at all."""
        channel = self.channel(stream)
        viewer = Viewer(Wanted(0.0, 0.0, width))
        self._look(stream, viewer)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await viewer.changed.wait()
        finally:
            self._leave(stream, viewer)
        return channel.shot

    async def live(self, streams: Sequence[str], wanted: Wanted) -> AsyncIterator[tuple[str, Shot]]:
        """Pictures of these streams as they come: to one who takes them slowly always the newest.

        Now and then an empty one comes, of the stream "".
        """
        viewer = Viewer(wanted)
        seen = dict.fromkeys(streams, 0)
        for stream in streams:
            self._look(stream, viewer)
        viewer.changed.set()
        try:
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await viewer.changed.wait()
                except TimeoutError:
                    yield "", Shot(0, {}, b"")
                viewer.changed.clear()
                for stream in streams:
                    shot = self.channel(stream).shot
                    if shot is not None and shot.number != seen[stream]:
                        seen[stream] = shot.number
                        yield stream, shot
        finally:
            for stream in streams:
                self._leave(stream, viewer)

    def _look(self, stream: str, viewer: Viewer) -> None:
        channel = self.channel(stream)
        channel.viewers.add(viewer)
        channel.ask(stream)

    def _leave(self, stream: str, viewer: Viewer) -> None:
        channel = self.channel(stream)
        channel.viewers.discard(viewer)
        channel.ask(stream)

    def _keep(self, stream: str, told: dict[str, Any], jpeg: bytes) -> None:
        self._audited[stream, told["seq"]] = Shot(0, told, jpeg)
        while len(self._audited) > MOST_AUDITED:
            self._audited.popitem(last=False)

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what one process sends, until it ends."""
        own: set[str] = set()
        self._writers.add(writer)
        try:
            while True:
                told_length, jpeg_length = HEAD.unpack(await reader.readexactly(HEAD.size))
                if told_length + jpeg_length > _LONGEST:
                    return
                told = json.loads(await reader.readexactly(told_length))
                jpeg = await reader.readexactly(jpeg_length)
                stream = told["stream"]
                channel = self.channel(stream)
                if "video" in told:
                    channel.show_video(told, jpeg)
                elif "audited" in told:
                    self._keep(stream, told, jpeg)
                elif "opened" not in told:
                    channel.show(told, jpeg)
                elif told["opened"]:
                    own.add(stream)
                    channel.sender = writer
                    channel.ask(stream)
                    channel.ask_video(stream)
                elif channel.sender is writer:
                    channel.sender = None
        except (OSError, asyncio.IncompleteReadError, ValueError, struct.error):
            pass  # the process has gone
        finally:
            for stream in own:
                if (channel := self.channel(stream)).sender is writer:
                    channel.sender = None
            self._writers.discard(writer)
            writer.close()
