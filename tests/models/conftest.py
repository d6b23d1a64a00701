"""Models are looked for and cached in folders of the test's own, and fetched from a server of this machine."""

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache; the working directory is empty too."""
    folder = tmp_path / "cache"
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("VIDPIPE_CACHE", str(folder))
    monkeypatch.delenv("VIDPIPE_ASSETS", raising=False)
    monkeypatch.chdir(here)
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a server of this machine serves in the place of all others: host/path of each address."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        monkeypatch.setenv("VIDPIPE_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder
        server.shutdown()
        thread.join()
