"""A connection that carries messages of a channel, and finds out by itself when the other side is gone."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.values import MalformedError, pack, unpack

GREETING_BYTES = 65_536  # of a message from somebody who has still to say who he is
MOST_BYTES = 128_000_000  # of any message: raw planes of 8K are 50 MB

_HEAD = struct.Struct(">IqQ")  # size of the body in bytes; the message's number, or -1; how many have been received
_UNNUMBERED = -1
_CHUNK = 262_144


class Timing(NamedTuple):
    """How long each side is waited for, in seconds.

    Attributes:
        greet_s: until it has said who it is.
        ping_s: after so long without a message an empty one is sent.
        silent_s: without a byte for so long the connection is given up.
    """

    greet_s: float = 10.0
    ping_s: float = 5.0
    silent_s: float = 20.0


TIMING = Timing()


class LostError(Exception):
    """The connection has ended, or nothing has come over it for too long."""


class Connection:
    """A stream of bytes cut into messages. For one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timing: Timing) -> None:
        self._reader = reader
        self._writer = writer
        self._timing = timing
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()  # of the loop

    async def say(self, value: Any) -> None:
        """Send plain values, outside any channel."""
        await self._send(_UNNUMBERED, 0, pack(value))

    async def hear(self, timeout_s: float | None = None) -> Any:
        """The plain values that the other side says, outside any channel.

        Args:
            timeout_s: in place of `Timing.greet_s`.

        Raises:
            LostError: nothing came in time.
            MalformedError: what came is none.
        """
        longest_s = timeout_s or self._timing.greet_s
        try:
            async with asyncio.timeout(longest_s):
                number, _, body = await self._receive(GREETING_BYTES, longest_s)
        except TimeoutError:
            raise LostError("no answer") from None
        if number != _UNNUMBERED:
            raise MalformedError("a message of a channel where a greeting should be")
        return unpack(body)

    async def exchange(
        self, channel: Channel, sent: int, take: Callable[[int, bytearray], Awaitable[None] | None]
    ) -> None:
        """Carry a channel until the connection ends, which raises LostError or MalformedError.

        Args:
            sent: how many of this side's messages the other one has.
            take: is given each message of the other side once, with its number; a slow one slows the other side down.
        """
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._more.set)

        channel.wake = wake
        tasks = [loop.create_task(self._write(channel, sent)), loop.create_task(self._read(channel, take))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """End it at once; any thread may."""
        if threading.get_ident() == self._thread:
            self._writer.transport.abort()
            return
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._writer.transport.abort)

    async def _write(self, channel: Channel, sent: int) -> None:
        while True:
            body = channel.after(sent)
            if body is not None:
                await self._send(sent, channel.received, body)
                sent += 1
                continue
            try:
                async with asyncio.timeout(self._timing.ping_s):
                    await self._more.wait()
            except TimeoutError:
                await self._send(_UNNUMBERED, channel.received, b"")
            self._more.clear()

    async def _read(self, channel: Channel, take: Callable[[int, bytearray], Awaitable[None] | None]) -> None:
        while True:
            number, received, body = await self._receive(MOST_BYTES, self._timing.silent_s)
            channel.acknowledge(received)
            if number != _UNNUMBERED and channel.accept(number):
                taken = take(number, body)
                if taken is not None:
                    await taken

    async def _send(self, number: int, received: int, body: bytes) -> None:
        if self._writer.transport.is_closing():
            raise LostError("the connection was closed")
        try:
            self._writer.write(_HEAD.pack(len(body), number, received))
            self._writer.write(body)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise LostError(_why(error)) from None

    async def _receive(self, limit: int, silent_s: float) -> tuple[int, int, bytearray]:
        size, number, received = _HEAD.unpack(await self._bytes(_HEAD.size, silent_s))
        if size > limit:
            raise MalformedError(f"a message of {size} bytes, where at most {limit} may be")
        return number, received, await self._bytes(size, silent_s)

    async def _bytes(self, count: int, silent_s: float) -> bytearray:
        """So many of the next ones. Each that comes is a sign of life: a large message may take long."""
        taken = bytearray()
        while len(taken) < count:
            try:
                async with asyncio.timeout(silent_s):
                    chunk = await self._reader.read(min(_CHUNK, count - len(taken)))
            except TimeoutError:
                raise LostError(f"nothing came for {silent_s:g} s") from None
            except OSError as error:
                raise LostError(_why(error)) from None
            if not chunk:
                raise LostError("the connection was closed")
            taken += chunk
        return taken


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
