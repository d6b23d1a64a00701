"""What a thousand lost connections leave behind, and how soon a camera is seen again.

Not a test: `python -m tests.cameras.reconnects` takes a quarter of an hour. It prints descriptors, threads and memory
as it goes, and how long it took from when a killed server listened again to the first picture.
"""

from __future__ import annotations

import argparse
import gc
import logging
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

from tests.cameras import servers
from tests.cameras.conftest import HURRY, Viewer
from tests.cameras.proxy import Proxy
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.sources.cameras.session import Timings


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def viewer_of(port: int, timings: Timings, path: str = "/a") -> Viewer:
    spec = StreamSpec(url=f"rtsp://127.0.0.1:{port}{path}")
    return Viewer(CameraSource("cam", spec, knobs=Knobs(), timings=timings), keep=1)


def lose(count: int, server: servers.Server) -> None:
    """Cut the connection again and again, as soon as a picture has come."""
    own = psutil.Process()
    with Proxy(server.port) as proxy:
        viewer = viewer_of(proxy.port, replace(HURRY, cap_s=0.01))
        began = time.monotonic()
        for i in range(1, count + 1):
            viewer.until_more(1)
            reconnects = viewer.source.health.reconnects
            proxy.cut()
            viewer.until(lambda reconnects=reconnects: viewer.source.health.reconnects > reconnects)
            if i in (50, 100) or i % max(1, count // 5) == 0:
                gc.collect()
                memory = own.memory_info().rss / 1e6
                threads = threading.active_count()
                say(f"{i:5} connections, {own.num_fds()} descriptors, {threads} threads, {memory:.1f} MB")
        say(f"{(time.monotonic() - began) / count:.2f} s each")
        viewer.close()


def recover(tries: int, away_s: float, server: servers.Server) -> None:
    """Kill the server, and see how long after its return the first picture comes; waits as users have them."""
    viewer = viewer_of(server.port, Timings(), "/b")
    viewer.until_more(1)
    took = []
    for _ in range(tries):
        time.sleep(11)  # good pictures, after which trouble counts as over
        server.kill()
        time.sleep(away_s)
        server.start()
        took.append(viewer.until_more(1, 60))
    viewer.close()
    median, most = statistics.median(took), max(took)
    say(f"away for {away_s:g} s: seen again after {median:.2f} s (median of {tries}), {most:.2f} s at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--tries", type=int, default=11)
    options = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        quick = servers.encode(Path(folder) / "quick.units", gop=5)
        usual = servers.encode(Path(folder) / "usual.units", fps=10, gop=20, frames=40)
        server = servers.Server({"/a": quick, "/b": usual}).start()
        try:
            if options.connections:
                lose(options.connections, server)
            for away_s in (1.0, 5.0) if options.tries else ():
                recover(options.tries, away_s, server)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
