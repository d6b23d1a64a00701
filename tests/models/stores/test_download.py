"""Fetching: whole or not at all, at once or with a plain word why not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest

from vidpipe.core.errors import ModelError
from vidpipe.models.stores.download import MissingError, UnreachableError, download

ADDRESS = "https://models.invalid/street/net.bin"
CONTENT = bytes(range(256)) * 4000


@contextmanager
def says(answer: bytes) -> Iterator[str]:
    """A server that takes one request, says these bytes and hangs up; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def put(mirror, content=CONTENT):
    (mirror / "models.invalid" / "street").mkdir(parents=True, exist_ok=True)
    (mirror / "models.invalid" / "street" / "net.bin").write_bytes(content)


@pytest.mark.parametrize("pinned", [None, sha256(CONTENT).hexdigest()])
def test_a_file_comes_whole(mirror, tmp_path, pinned):
    put(mirror)
    download("model street", ADDRESS, tmp_path / "cache" / "net.bin", pinned)
    assert (tmp_path / "cache" / "net.bin").read_bytes() == CONTENT
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["net.bin"]


def test_other_content_than_was_pinned_is_not_kept(mirror, tmp_path):
    put(mirror, CONTENT[:-1] + b"!")
    with pytest.raises(ModelError, match=r"model street: the SHA-256 of .* is [0-9a-f]{64}, pinned is .*: not loaded"):
        download("model street", ADDRESS, tmp_path / "cache" / "net.bin", sha256(CONTENT).hexdigest())
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("length", [None, 200_000])
def test_half_a_file_is_not_kept_and_the_next_try_has_the_whole(mirror, tmp_path, monkeypatch, length):
    """A connection that breaks off: told by the length that was announced, without one by the hash."""
    announced = f"Content-Length: {length}\r\n" if length else ""
    with monkeypatch.context() as patch, says(f"HTTP/1.0 200 OK\r\n{announced}\r\nhalf".encode()) as server:
        patch.setenv("VIDPIPE_MIRROR", server)
        with pytest.raises(ModelError, match="broke off: run again" if length else "SHA-256"):
            download("model street", ADDRESS, tmp_path / "cache" / "net.bin", sha256(CONTENT).hexdigest())
    assert list((tmp_path / "cache").iterdir()) == []
    put(mirror)
    download("model street", ADDRESS, tmp_path / "cache" / "net.bin", sha256(CONTENT).hexdigest())
    assert (tmp_path / "cache" / "net.bin").read_bytes() == CONTENT


def test_a_server_without_the_file(mirror, tmp_path):
    with pytest.raises(MissingError, match=r"/models.invalid/street/net.bin cannot be reached \(File not found\)"):
        download("model street", ADDRESS, tmp_path / "cache" / "net.bin")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n"])
def test_a_server_that_speaks_something_else(tmp_path, monkeypatch, answer):
    with says(answer) as server:
        monkeypatch.setenv("VIDPIPE_MIRROR", server)
        with pytest.raises(UnreachableError, match="cannot be reached"):
            download("model street", ADDRESS, tmp_path / "net.bin")


@pytest.mark.long
@pytest.mark.timeout(20)
def test_nobody_answers(tmp_path, monkeypatch):
    """A network that swallows packets must not hang a start."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("VIDPIPE_MIRROR", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="no answer within 3 s"):
            download("model street", ADDRESS, tmp_path / "net.bin")


@pytest.mark.parametrize("mirror", ["nonsense", "http://", "ftp://models.invalid"])
def test_a_mirror_that_is_none(tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("VIDPIPE_MIRROR", mirror)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        download("model street", ADDRESS, tmp_path / "net.bin")
