"""Servers on loopback, over TLS, and a network between them and their callers that can be cut."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clips
from tests.runtime.linked import Measures, Repeats, SharedRepeats, SharedWrites, Writes
from tests.runtime.remote.network import Network
from vidpipe.core.servers import ServerAddress
from vidpipe.pipeline.spec import LinkSpec, Pipeline, Tier
from vidpipe.runtime.remote.connection import Timing
from vidpipe.runtime.remote.tls import server_context
from vidpipe.runtime.server.certificate import self_signed
from vidpipe.runtime.server.seal import Seal
from vidpipe.runtime.server.server import Server

TOKEN = "a token that is long enough"
FRAMES = 40
STAGES = [
    (Repeats, Tier.DEVICE),
    (Writes, Tier.DEVICE),
    (SharedRepeats, Tier.CLOUD),
    (SharedWrites, Tier.CLOUD),
    (Measures, Tier.CLOUD),
]
QUICK = Timing(greet_s=2.0, ping_s=0.2, silent_s=5.0)

Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("certificate"), [])


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("remote") / "clip.mp4", frames=FRAMES, size=(128, 96), fps=4)


@pytest.fixture
def serve(certificate) -> Iterator[Serve]:
    """Starts a server of a pipeline; `port` makes it take the place of one that has ended."""
    servers: list[Server] = []

    def started(pipeline: Pipeline, *, port: int = 0, token: str = TOKEN, link: str = "") -> Server:
        address = ServerAddress("127.0.0.1", port)
        server = Server(pipeline, link, address, token, server_context(*certificate), Seal(certificate[1]), QUICK)
        server.port = server.open()
        servers.append(server)
        return server

    yield started
    for server in servers:
        server.close()


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.close()


@pytest.fixture
def reaching(certificate) -> Callable[..., Pipeline]:
    """The same pipeline, whose part below its last link is run by a server at a port."""

    def reached(pipeline: Pipeline, port: int, link: str = "", **fields) -> Pipeline:
        name = link or list(pipeline.links)[-1]
        values = {"address": f"tls://127.0.0.1:{port}", "token": TOKEN, "ca": str(certificate[0])} | fields
        spec = LinkSpec(**pipeline.links[name].model_dump(exclude_defaults=True) | values)
        return replace(pipeline, links={**pipeline.links, name: spec})

    return reached


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
