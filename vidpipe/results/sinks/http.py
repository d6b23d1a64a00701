"""Pages over HTTP, made anew for whoever asks: one thread, however many connect."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from os import strerror
from typing import NamedTuple

from vidpipe.core.errors import ConfigError

MOST = 64  # connections; one more costs the oldest its own
IDLE_S = 5.0  # for a request to be complete, and for an answer to be taken
_LONGEST = 16 * 1024  # of a request, bytes

LOCAL = "127.0.0.1"


def parse_place(place: str, option: str) -> tuple[int, str]:
    """Port and address of `[ADDRESS:]PORT`; raises ConfigError."""
    address, _, port = place.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{option} {place}: write PORT, or ADDRESS:PORT; 0.0.0.0:PORT lets other machines in")
    return int(port), address or LOCAL


def listening(port: int, address: str, what: str, backlog: int) -> socket.socket:
    """A socket at which others may connect; `port`, `address`, `what` and errors as of `Server`."""
    address = address.strip("[]") or "0.0.0.0"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=backlog)
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) or error.errno is None else strerror(error.errno)
        raise ConfigError(f"{what} cannot be served at {address}:{port}: {why}; take another port") from None


class Request(NamedTuple):
    """What somebody asks for.

    Attributes:
        path: as it was written, without what follows a `?`.
        headers: by their names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]


class Server:
    """Answers requests, in a thread of its own; a subclass says what with.

    Args:
        port: 0 takes a free one, which `port` tells.
        address: to listen at; "" is every one that the machine has.
        what: is served, for the error: "metrics".

    Attributes:
        loop: of the thread.

    Raises:
        ConfigError: nobody may listen there.
    """

    def __init__(self, port: int, address: str, what: str) -> None:
        self._socket = listening(port, address, what, MOST)
        self.port = int(self._socket.getsockname()[1])
        self._open: dict[asyncio.StreamWriter, None] = {}  # in order of their coming
        self._end = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vidpipe-http", daemon=True)
        self._thread.start()

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write an answer; what takes longer than `IDLE_S` to be taken is to be given up with a TimeoutError."""
        raise NotImplementedError

    def close(self) -> None:
        """End the thread and all connections."""
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) == MOST:
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        # Who breaks off, asks for what is no HTTP, or takes too long, has no answer.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(IDLE_S):
                request = _parsed(await reader.readuntil(b"\r\n\r\n"))
            if request.method in ("GET", "HEAD"):
                await self.answer(request, reader, writer)
            else:
                await put(writer, head(405, {"Allow": "GET, HEAD", "Content-Length": "0"}))
            async with asyncio.timeout(IDLE_S):
                writer.close()
                await writer.wait_closed()
        writer.transport.abort()
        self._open.pop(writer, None)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._socket, limit=_LONGEST)
        async with server:
            await self._end.wait()
            for writer in list(self._open):
                writer.transport.abort()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def put(writer: asyncio.StreamWriter, text: bytes) -> None:
    """Have something taken in time. Raises TimeoutError, OSError."""
    async with asyncio.timeout(IDLE_S):
        writer.write(text)
        await writer.drain()


async def put_page(writer: asyncio.StreamWriter, request: Request, body: bytes, kind: str, code: int = 200) -> None:
    """Have a whole page taken in time. Raises TimeoutError, OSError."""
    told = head(code, {"Content-Type": kind, "Content-Length": str(len(body))})
    await put(writer, told + (b"" if request.method == "HEAD" else body))


def head(code: int, headers: Mapping[str, str]) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.0 {code} {HTTPStatus(code).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _parsed(text: bytes) -> Request:
    first, *lines = text.decode("latin-1").split("\r\n")
    method, path, *_ = [*first.split(" "), "", ""]
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return Request(method, path.partition("?")[0], {name.lower(): value.strip() for name, value in pairs})
