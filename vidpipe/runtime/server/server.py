"""Listens for runs that hand the lower part of their pipeline down, and lets in who has the token and the pipeline."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.servers import ServerAddress
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.remote.agreement import Agreement, agreement
from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.connection import TIMING, Connection, LostError, Timing
from vidpipe.runtime.remote.tls import is_same_token
from vidpipe.runtime.remote.values import MalformedError
from vidpipe.runtime.server.client import Client
from vidpipe.runtime.server.seal import Seal

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 128  # at a time, those of strangers included
MOST_CLIENTS = 64
KEEP_S = 900.0  # what is kept for a run that has lost its connection
LOOK_S = 10.0
WRONG_TOKEN_S = 1.0  # that who has none waits for his answer
TELL_EVERY_S = 60.0  # of strangers of one address


class Admitted(NamedTuple):
    """Who has come in."""

    client: Client
    channel: Channel
    received: int


class StrangerError(Exception):
    """Somebody who may not come in, and what he is told."""


class Server:
    """Runs what is below a link of a pipeline, for each run that calls.

    Args:
        pipeline: its streams and what is above the link are not used.
        link: its name, "edge-cloud"; "": the one with an address, else the last one.
        token: that each caller has to say.
        context: for TLS; None: plain TCP.

    Raises:
        ConfigError: the pipeline has no such link.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        link: str,
        listen: ServerAddress,
        token: str,
        context: ssl.SSLContext | None,
        seal: Seal,
        timing: Timing = TIMING,
    ) -> None:
        laid = plan(pipeline)
        self.link = _link(pipeline, link)
        self._first = 1 + [each.name for each in laid.links].index(self.link)
        own = f"{laid.segments[self._first - 1].tier}-{laid.segments[self._first].tier}"
        links = {name: spec.here() if name == own else spec for name, spec in pipeline.links.items()}
        self._plan = plan(replace(pipeline, streams={}, links=links))
        self._listen = listen
        self._token = token
        self._context = context
        self._seal = seal
        self._timing = timing
        self._agreement: Agreement | None = None
        self._clients: dict[str, Client] = {}
        self._admitting = asyncio.Lock()
        self._connections = 0
        self._told_at: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: Future[int] = Future()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="vidpipe-server", daemon=True)

    @property
    def stages(self) -> list[str]:
        """Ids of those that run here."""
        segments = self._plan.segments[self._first : self._plan.here]
        return [stage.id for segment in segments for stage in segment.stages]

    def open(self) -> int:
        """Load the models and open every stage once, then listen; the port.

        Raises:
            VidpipeError: what keeps a stage from opening, or that nobody may listen there.
        """
        from vidpipe.runtime.worker import WorkerRuntime

        self._library = WorkerRuntime(self._plan).library
        trial = self._client()
        trial.close()
        self._agreement = agreement(self._plan, self._first)
        self._thread.start()
        return self._opened.result()

    def close(self) -> None:
        """End all connections, and what is kept for clients."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(10.0)

    def _client(self) -> Client:
        client = Client(self._plan, self._first, self._library, self._seal)
        try:
            client.open()
        except BaseException:
            client.close()
            raise
        return client

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._serve,
                self._listen.host,
                self._listen.port,
                ssl=self._context,
                ssl_handshake_timeout=self._timing.greet_s if self._context else None,
                limit=2**20,
            )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            self._opened.set_exception(ConfigError(f"--listen {self._listen}: nobody may listen there: {why}"))
            return
        self._opened.set_result(server.sockets[0].getsockname()[1])
        while not self._stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stop.wait()
            self._forget()
        server.close()
        for client in list(self._clients.values()):  # another may be coming
            await asyncio.to_thread(client.close)

    def _forget(self) -> None:
        """Let go of what is kept for runs that have ended, or have been away for long."""
        now = time.monotonic()
        for name, client in list(self._clients.items()):
            gone = client.left_at is not None and (client.ended or now - client.left_at > KEEP_S)
            if gone or client.broken:
                self._drop(name)

    def _drop(self, name: str) -> None:
        client = self._clients.pop(name)
        threading.Thread(target=client.close, name="vidpipe-close", daemon=True).start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._timing)
        host = str((writer.get_extra_info("peername") or ("?",))[0])
        self._connections += 1
        try:
            if self._connections > MOST_CONNECTIONS:
                return
            client, channel, received = await self._admit(connection, host)
            log.info("a run of %s is served", host)
            await client.serve(connection, channel, received)
        except StrangerError as error:
            self._tell(host, f"a caller from {host} was turned away: {error}")
            with suppress(LostError):
                await connection.say(["refused", str(error)])
                await asyncio.sleep(0.1)  # what is aborted sooner is not read
        except MalformedError as error:
            self._tell(host, f"a caller from {host} was cut off: {error}")
        except (LostError, asyncio.CancelledError) as error:
            log.debug("a connection of %s ended: %s", host, error)
        except Exception:  # one caller's connection is no matter of the others
            log.exception("a connection broke")
        finally:
            self._connections -= 1
            connection.close()
            self._forget()

    async def _admit(self, connection: Connection, host: str) -> Admitted:
        """Who is calling; raises StrangerError where he may not come in. The token is looked at before all else."""
        match await connection.hear():
            case ["vidpipe", str(token), str(name), str(wanted), int(received), str(link), theirs]:
                pass
            case _:
                raise MalformedError("no greeting")
        if not is_same_token(token, self._token):
            await asyncio.sleep(WRONG_TOKEN_S)
            raise StrangerError("wrong token")
        if link != self.link:
            raise StrangerError(f"the run hands down what is below {link}, the server runs what is below {self.link}")
        assert self._agreement is not None
        if difference := Agreement.read(theirs).difference(self._agreement):
            raise StrangerError(difference)
        async with self._admitting:
            client = await self._known(name)
        channel = client.channel(wanted, received)
        await connection.say(["welcome", client.life, channel.received])
        return Admitted(client, channel, received)

    async def _known(self, name: str) -> Client:
        """What is kept for the run of that name; where there is nothing, from now on."""
        client = self._clients.get(name)
        if client is not None and not client.broken:
            return client
        if client is not None:
            self._drop(name)
        if len(self._clients) >= MOST_CLIENTS:
            away = {each: held.left_at for each, held in self._clients.items() if held.left_at is not None}
            if not away:
                raise StrangerError(f"{MOST_CLIENTS} runs are served already")
            self._drop(min(away, key=lambda each: away[each] or 0.0))
        try:
            client = self._clients[name] = await asyncio.to_thread(self._client)
        except VidpipeError as error:
            raise StrangerError(str(error)) from None
        return client

    def _tell(self, host: str, what: str) -> None:
        """Log it, but not for each of many tries."""
        now = time.monotonic()
        if now - self._told_at.get(host, -TELL_EVERY_S) < TELL_EVERY_S:
            return
        self._told_at = {each: at for each, at in self._told_at.items() if now - at < TELL_EVERY_S} | {host: now}
        log.warning("%s", what)


def _link(pipeline: Pipeline, wanted: str) -> str:
    """The name of the link below which a server runs the stages."""
    laid = plan(pipeline)
    names = [link.name for link in laid.links]
    if not names:
        raise ConfigError("all stages of this pipeline stand on one tier: put those that a server runs `on: cloud`")
    if wanted and wanted not in names:
        raise ConfigError(f"--below {wanted}: this pipeline has no such link; it has {', '.join(names)}")
    reached = [link.name for link in laid.links if link.spec.address is not None]
    if not wanted and len(reached) > 1:
        raise ConfigError(f"several links have an address: say which with --below {' or '.join(reached)}")
    return wanted or (reached[0] if reached else names[-1])
