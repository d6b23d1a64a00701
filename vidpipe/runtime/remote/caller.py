"""The network side of a run that calls a server: a connection that is kept up, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.core.secrets import look_up
from vidpipe.core.servers import check_server
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.remote.agreement import Agreement
from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.connection import TIMING, Connection, LostError, Timing
from vidpipe.runtime.remote.tls import UntrustedError, check_fingerprint, client_context, why_untrusted
from vidpipe.runtime.remote.values import MalformedError

_FIRST_S, _MOST_S = 0.5, 30.0  # between two tries
_STEADY_S = 5.0  # a connection that lasted so long was a good one
_CONNECT_S = 10.0


class RefusedError(Exception):
    """The server is there, and does not take this run: trying again soon does no good."""


class Welcome(NamedTuple):
    """What a server says to who may come in.

    Attributes:
        life: of what it keeps for this run: another one knows nothing of it.
        received: how many messages of the channel it has.
    """

    life: str
    received: int


class Caller:
    """Keeps a connection to a server up, and tries again where there is none: later each time, and never in step with
    other runs, so that a server that is back is not run down.

    Args:
        name: of this run, which the server keeps it apart by.
        link: that leads to it, by name.
        agreement: makes what this side has; it hashes files, so it is asked in the thread.
        channel: the one that is to go on, asked anew for each connection.
        up: told of a connection, before its first message; whether its channel can go on.
        down: told why there is none.
        take: is given each message of the server, with its number.

    Raises:
        ConfigError: token or certificates cannot be read.
    """

    def __init__(
        self,
        name: str,
        link: str,
        spec: LinkSpec,
        agreement: Callable[[], Agreement],
        channel: Callable[[], Channel],
        up: Callable[[Channel, Welcome], bool],
        down: Callable[[Exception], None],
        take: Callable[[Channel, bytes | bytearray], None],
        timing: Timing = TIMING,
    ) -> None:
        assert spec.address is not None
        self.address = check_server(spec.address)
        self._name = name
        self._link = link
        self._spec = spec
        self._token = look_up(spec.token, "the token of a server")
        if not self._token:
            raise ConfigError(f"link {link}: its token is empty")
        self._context = client_context(spec) if self.address.encrypted else None
        self._agreement = agreement
        self._channel, self._up, self._down, self._take = channel, up, down, take
        self._timing = timing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._again = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._keep_up()), name="vidpipe-server", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def reconnect(self) -> None:
        """End the connection there is, and greet anew, at once."""
        self._in_loop(self._cut)

    def close(self, timeout_s: float) -> None:
        """End it; what the server has still to be told goes before, as long as that takes no longer."""
        self._in_loop(self._end)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _in_loop(self, work: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(work)

    def _cut(self) -> None:
        self._again.set()
        if self._connection is not None:
            self._connection.close()

    def _end(self) -> None:
        self._closed = True
        self._cut()

    async def _keep_up(self) -> None:
        self._loop = asyncio.get_running_loop()
        pauses = _pauses()
        while not self._closed:
            began = self._loop.time()
            try:
                await self._connect()
            except (LostError, MalformedError, RefusedError, UntrustedError, ConfigError) as error:
                self._down(error)
            except Exception as error:  # whatever else it is, the run goes on without the server
                self._down(LostError(f"{type(error).__name__}: {error}"))
            if self._loop.time() - began > _STEADY_S:
                pauses = _pauses()
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self._closed else next(pauses)):
                    await self._again.wait()
            self._again.clear()

    async def _connect(self) -> None:
        connection = self._connection = await self._open()
        try:
            channel = self._channel()
            welcome = await self._greet(connection, channel)
            if self._up(channel, welcome):
                await connection.exchange(channel, welcome.received, lambda _, body: self._take(channel, body))
        finally:
            self._connection = None
            connection.close()

    async def _open(self) -> Connection:
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    self.address.host, self.address.port, ssl=self._context, limit=2**20
                )
        except TimeoutError:
            raise LostError("it does not answer") from None
        except ssl.SSLError as error:
            raise UntrustedError(why_untrusted(error)) from None
        except OSError as error:
            raise LostError(_why(error)) from None
        try:
            secure = writer.get_extra_info("ssl_object")
            check_fingerprint(self._spec, secure.getpeercert(binary_form=True) if secure is not None else None)
        except UntrustedError:
            writer.transport.abort()
            raise
        return Connection(reader, writer, self._timing)

    async def _greet(self, connection: Connection, channel: Channel) -> Welcome:
        own = await asyncio.to_thread(self._agreement)
        await connection.say(
            ["vidpipe", self._token, self._name, channel.name, channel.received, self._link, list(own)]
        )
        match await connection.hear():
            case ["welcome", str(life), int(received)]:
                return Welcome(life, received)
            case ["refused", str(why)]:
                raise RefusedError(why)
        raise MalformedError("what answers there is no vidpipe")


def _pauses() -> Iterator[float]:
    """Exponential back-off with full jitter (Brooker, AWS 2015)."""
    longest = _FIRST_S
    while True:
        yield random.uniform(0, longest)
        longest = min(_MOST_S, 2 * longest)


def _why(error: OSError) -> str:
    """Why nobody is reached; where a name has several addresses, asyncio raises the words of all of them."""
    if isinstance(error, socket.gaierror):
        return f"there is no host of that name ({error.strerror})"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nobody listens there"
    return os.strerror(error.errno) if error.errno else str(error)
