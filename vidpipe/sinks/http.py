"""A page of text over HTTP, made anew for whoever asks: one thread, however many connect."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

MOST = 64  # connections; one more costs the oldest its own
IDLE_S = 5.0  # for a request to be complete, and for an answer to be taken
_LONGEST = 16 * 1024  # of a request, bytes

Page = Callable[[str], tuple[bytes, str]]


class PageServer:
    """Answers every GET with the same page.

    Args:
        port: 0 takes a free one, which `port` tells.
        page: for the request's `Accept` header, the page and its content type; called in the server's thread.

    Raises:
        OSError: nobody may listen there.
    """

    def __init__(self, port: int, address: str, page: Page) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.create_server((address, port), family=family, backlog=MOST)
        self.port = int(self._socket.getsockname()[1])
        self._page = page
        self._open: dict[asyncio.StreamWriter, None] = {}  # in order of their coming
        self._end = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vidpipe-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and all connections."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) == MOST:
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        # Who breaks off, asks for what is no HTTP, or takes too long, has no answer.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(IDLE_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(request.decode("latin-1")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        writer.transport.abort()
        self._open.pop(writer, None)

    def _response(self, request: str) -> bytes:
        first, *headers = request.split("\r\n")
        if not first.startswith(("GET ", "HEAD ")):
            return b"HTTP/1.0 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n\r\n"
        fields = dict(header.lower().split(":", 1) for header in headers if ":" in header)
        body, kind = self._page(fields.get("accept", "").strip())
        head = f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode("latin-1") + (b"" if first.startswith("HEAD ") else body)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, sock=self._socket, limit=_LONGEST)
        async with server:
            await self._end.wait()
            for writer in list(self._open):
                writer.transport.abort()
