"""The token by which the processes of a Ray know each other: our own has a new one, a joined one the user's.

Ray keeps what it goes by in the environment and in caches of the process, and by itself leaves a token in the user's
home, which every later `ray start` takes up. Here nothing is left anywhere.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray._raylet
from ray.exceptions import RayError

_raylet: Any = ray._raylet  # of which older ones know no tokens
MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"
FILE = "RAY_AUTH_TOKEN_PATH"

_MISSING = (
    "{takes}, and this machine has {which}: set RAY_AUTH_TOKEN to the token that the head was started with, "
    "or RAY_AUTH_TOKEN_PATH to a file with it (`ray get-auth-token` shows it there)"
)


@contextmanager
def own_token() -> Iterator[None]:
    """Have a Ray that is started meanwhile take a token of its own, whatever the user has for others."""
    with kept():
        os.environ[MODE] = "token"
        os.environ[TOKEN] = secrets.token_hex(32)
        os.environ.pop(FILE, None)
        _look_again()
        yield


def show_token(address: str) -> None:
    """Have the Ray there get the user's token if it takes one; inside `kept`.

    Ray itself shows it only when RAY_AUTH_MODE says so, must not where none is taken, and tries for half a minute.

    Args:
        address: host and port.

    Raises:
        ConnectionError: it takes another one, or what the environment says of tokens is wrong, on which Ray would abort
            this process.
    """
    if TOKEN not in os.environ and (file := os.environ.get(FILE)) and not _holds_something(Path(file)):
        raise ConnectionError(f"RAY_AUTH_TOKEN_PATH names {file}, which cannot be read or is empty")
    if os.environ.get(MODE, "").lower() == "token" and not _has_token():
        raise ConnectionError(_MISSING.format(takes="RAY_AUTH_MODE says token", which="none"))
    if _lets_in(address):
        return
    if MODE not in os.environ and _has_token():
        os.environ[MODE] = "token"
        _look_again()
        if _lets_in(address):
            return
    raise ConnectionError(_MISSING.format(takes="it takes a token", which="another one" if _has_token() else "none"))


def _holds_something(file: Path) -> bool:
    try:
        return bool(file.read_text().strip())
    except (OSError, UnicodeDecodeError):
        return False


def _lets_in(address: str) -> bool:
    try:
        _raylet.GcsClient(address=address)
    except RayError as error:
        return "InvalidAuthToken" not in str(error)
    except Exception:  # what else is wrong Ray tells when it is joined
        return True
    return True


@contextmanager
def kept() -> Iterator[None]:
    """Have the environment afterwards as it is now."""
    before = {name: os.environ.get(name) for name in (MODE, TOKEN, FILE)}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _look_again()


def _has_token() -> bool:
    return _knows_tokens() and bool(_raylet.AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))


def _knows_tokens() -> bool:
    return hasattr(_raylet, "AuthenticationTokenLoader")


def _look_again() -> None:
    """Have Ray forget what it has read of the environment."""
    if _knows_tokens():
        _raylet.Config.initialize("")
        _raylet.AuthenticationTokenLoader.instance().reset_cache()
