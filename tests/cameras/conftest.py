"""Fixtures for tests on real RTSP servers; they skip where GStreamer's is not installed."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cameras import servers
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.sources.cameras.session import Timings

HURRY = Timings(open_s=1.5, read_s=1.0, stall_s=0.5, picture_s=3.0, good_s=1.0, first_s=0.1, cap_s=1.0)
DEADLINE_S = 20.0


class Viewer:
    """Takes the pictures of a camera, in a thread, and keeps them, or the newest `keep` of them."""

    def __init__(self, source: CameraSource, keep: int | None = None) -> None:
        self.source = source
        self.items: deque[Frame | Missing] = deque(maxlen=keep)
        self.seen = 0
        self.states: list[str] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        for item in self.source:
            self.items.append(item)
            self.seen += isinstance(item, Frame)

    @property
    def frames(self) -> list[Frame]:
        return [item for item in list(self.items) if isinstance(item, Frame)]

    def until(self, condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> float:
        """Wait for a condition; gives the seconds that it took. The states on the way are kept."""
        began = time.monotonic()
        while not condition():
            health = self.source.health
            if health.state not in self.states[-1:]:
                self.states.append(health.state)
            assert time.monotonic() - began < deadline_s, f"waited in vain: {health}, {self.seen} pictures"
            time.sleep(0.005)
        return time.monotonic() - began

    def until_more(self, frames: int = 5, deadline_s: float = DEADLINE_S) -> float:
        """Wait for so many more frames."""
        wanted = self.seen + frames
        return self.until(lambda: self.seen >= wanted, deadline_s)

    def close(self) -> None:
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two seconds at 25 a second, a key frame every 0.4 s; picture n carries the number n."""
    return servers.encode(tmp_path_factory.mktemp("cameras") / "clip.units")


@pytest.fixture(scope="session")
def larger_clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return servers.encode(tmp_path_factory.mktemp("cameras") / "larger.units", size=(320, 240))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and the same with its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, "-days", "2", *subject], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return cert, both


@pytest.fixture
def serve() -> Iterator[Callable[..., servers.Server]]:
    """Starts a server; it is gone after the test."""
    if not servers.available():
        pytest.skip(f"GStreamer's RTSP server is not installed: apt-get install {servers.PACKAGES}")
    started: list[servers.Server] = []

    def start(mounts: dict[str, Any], **settings: Any) -> servers.Server:
        started.append(servers.Server(mounts, **settings).start())
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def view() -> Iterator[Callable[..., Viewer]]:
    """Opens a camera and takes its pictures; it is closed after the test."""
    viewers: list[Viewer] = []

    def start(url: str, timings: Timings = HURRY, **spec: Any) -> Viewer:
        source = CameraSource("cam", StreamSpec(url=url, **spec), knobs=Knobs(), timings=timings)
        viewers.append(Viewer(source))
        return viewers[-1]

    yield start
    for viewer in viewers:
        viewer.close()
