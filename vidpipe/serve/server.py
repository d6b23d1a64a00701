"""The HTTP server of the page, in a thread of its own: what is open is bounded, in number and in time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vidpipe.core.errors import ConfigError
from vidpipe.results.sinks.http import listening

if TYPE_CHECKING:
    from fastapi import FastAPI

MOST = 256  # connections; one more costs the oldest idle one its own
IDLE_S = 10.0  # for a request to be complete, and between two of them
_LONGEST = 32 * 1024  # of a request's head, bytes


class BoundedProtocol(H11Protocol):
    """A connection that is let go where it is idle for long, or where a newer one needs its place.

    uvicorn bounds neither who connects and says nothing nor how many do: the descriptors that they take are the run's.
    """

    came_at = 0.0
    is_let_go = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.came_at = self.loop.time()
        self._was_idle = False
        self._look = self.loop.call_later(IDLE_S / 2, self._let_go_if_idle)
        left = [each for each in self.connections if isinstance(each, BoundedProtocol) and not each.is_let_go]
        if len(left) > MOST:
            min((each for each in left if each.is_idle), key=lambda each: each.came_at).let_go()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether it has no request that is being answered: a new one, and one that only waits for its end.

        The end of a connection waits for all that was sent to be taken, for ever if need be.
        """
        return self.cycle is None or self.cycle.response_complete or self.transport.is_closing()

    def let_go(self) -> None:
        """End it, whatever has not been taken."""
        self.is_let_go = True
        self.transport.abort()

    def _let_go_if_idle(self) -> None:
        if self.is_idle and self._was_idle:
            self.let_go()
            return
        self._was_idle = self.is_idle
        self._look = self.loop.call_later(IDLE_S / 2, self._let_go_if_idle)


class HttpServer:
    """Serves an application until it is closed.

    Attributes:
        port: that it listens at.

    Raises:
        ConfigError: nobody may listen there.
    """

    def __init__(self, port: int, address: str) -> None:
        self._socket = listening(port, address, "the page", MOST)
        self.port = int(self._socket.getsockname()[1])
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: FastAPI, beside: AbstractAsyncContextManager[None]) -> None:
        """Begin to answer.

        Args:
            beside: is open in the server's thread meanwhile.

        Raises:
            ConfigError: that does not open.
        """
        options: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False}
        config = uvicorn.Config(
            app,
            **options,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(IDLE_S),
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_LONGEST,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(beside,), name="vidpipe-page", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._socket.close()
            raise ConfigError(f"the page cannot be served: {self._error}")

    def close(self) -> None:
        """End the thread and all connections."""
        if self._thread is None or self._server is None or self._loop is None:
            self._socket.close()
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def join(self) -> None:
        """Wait until it is closed, or a signal comes."""
        assert self._thread is not None
        self._thread.join()

    def _run(self, beside: AbstractAsyncContextManager[None]) -> None:
        try:
            asyncio.run(self._serve(beside))
        except OSError as error:  # what is beside it does not open
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self, beside: AbstractAsyncContextManager[None]) -> None:
        assert self._server is not None
        self._loop = asyncio.get_running_loop()
        async with beside:
            self._ready.set()
            await self._server.serve(sockets=[self._socket])

    def _end(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()  # who watches would wait for ever
