"""Fetching files by HTTP: whole or not at all, within stated times, and held against a hash where one is pinned."""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import shutil
import threading
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.models import cache
from vidpipe.models.runtimes import one_line

_log = logging.getLogger(__name__)
_CONNECT_S = 3.0
_STALL_S = 30.0


class UnreachableError(Exception):
    """Nobody gives this file; says which address was asked, and why."""


class MissingError(UnreachableError):
    """The server answers, and has no such file."""


def download(what: str, address: str, target: Path, sha256: str | None = None) -> None:
    """Fetch a file; until it is whole and right nothing lies at `target`.

    Args:
        what: is fetched, as errors call it.
        address: `https://host/path`; with `VIDPIPE_MIRROR` set, `$VIDPIPE_MIRROR/host/path` is asked instead.
        sha256: that the content must have.

    Raises:
        UnreachableError: the server does not answer within 3 s.
        MissingError: it has no such file.
        ModelError: the cache cannot be written, the download broke off, or its content is not what was pinned.
    """
    asked = _mirrored(address)
    try:
        response = _connect(asked)
    except urllib.error.HTTPError as error:
        error.close()  # it is an open response, too
        raise MissingError(f"{asked} cannot be reached ({error.reason})") from error
    except OSError as error:
        raise UnreachableError(f"{asked} cannot be reached ({getattr(error, 'reason', error)})") from error
    _log.info("fetching %s", asked)
    with cache.scratch(target.parent, ".fetching-") as scratch:
        part = scratch / target.name
        try:
            with response, part.open("wb") as stream:
                shutil.copyfileobj(response, stream)
        except (OSError, HTTPException) as error:
            raise ModelError(f"{what}: the download of {asked} broke off ({one_line(error)}): run again") from error
        if part.stat().st_size != int(response.headers.get("Content-Length", part.stat().st_size)):
            raise ModelError(f"{what}: the download of {asked} broke off: run again")
        if sha256 is not None:
            _check(what, asked, part, sha256)
        part.rename(target)


def sha256_of(file: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mirrored(address: str) -> str:
    mirror = os.environ.get("VIDPIPE_MIRROR")
    return f"{mirror.rstrip('/')}/{address.partition('://')[2]}" if mirror else address


def _check(what: str, asked: str, file: Path, sha256: str) -> None:
    found = sha256_of(file)
    if found != sha256:
        raise ModelError(f"{what}: the SHA-256 of {asked} is {found}, pinned is {sha256}: not loaded")


def _connect(url: str) -> HTTPResponse:
    """An open response within three seconds, name look-up included (which no socket timeout covers)."""
    answered: queue.SimpleQueue[HTTPResponse | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answered.put(urllib.request.urlopen(url, timeout=_STALL_S))
        except OSError as error:
            answered.put(error)
        except (HTTPException, ValueError) as error:  # no HTTP, or no address
            answered.put(OSError(one_line(error)))

    threading.Thread(target=ask, daemon=True, name="connect").start()
    try:
        answer = answered.get(timeout=_CONNECT_S)
    except queue.Empty:
        raise TimeoutError(f"no answer within {_CONNECT_S:.0f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
