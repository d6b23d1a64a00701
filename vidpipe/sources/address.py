"""A camera's address: what of it may be shown, and the one place where the secret part comes out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from vidpipe.core.errors import SourceError
from vidpipe.core.secrets import REFERENCE
from vidpipe.sources.descriptors import too_many

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@]+)(?::(\d{1,5}))?(?=[/?#]|$)")
_LAST_PORT = 65535
_DEVICE = re.compile(r"(?:v4l2:)?(/dev/video\d+)$")

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})


class Address:
    """An address as the user wrote it.

    It may hold `${env:NAME}` and `${file:PATH}`, which are looked up each time that a connection is made. A password
    may hold any character: what stands before the last "@" belongs to user and password.

    Printing shows scheme, host and port only: firms put passwords into paths and queries, too.
    """

    __slots__ = ("_written",)

    def __init__(self, written: str) -> None:
        self._written = written

    @property
    def device(self) -> str | None:
        """The path of a local camera (v4l2), or None."""
        match = _DEVICE.match(self._written)
        return match[1] if match else None

    @property
    def scheme(self) -> str:
        """In small letters; "" for a local camera.

        Raises:
            SourceError: as `reveal`.
        """
        if self.device:
            return ""
        return _scheme(self._resolved())

    @property
    def host(self) -> tuple[str, int]:
        """Name and port to connect to; ("", 0) for a local camera. Errors as of `reveal`."""
        if self.device:
            return "", 0
        parts = urlsplit(self.reveal())
        ports = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
        return parts.hostname or "", parts.port or ports[parts.scheme]

    def reveal(self) -> str:
        """The address with everything in it, as FFmpeg takes it: user and password percent-encoded.

        Raises:
            SourceError: a variable or file is missing, or it is no address of a camera; says nothing of its content.
        """
        if self.device:
            return self.device
        text = self._resolved()
        scheme = _scheme(text)
        secret, rest = _split(text[len(scheme) + 3 :])
        host = _HOST.match(rest)
        if not host:
            raise SourceError("the address of a camera must be of the form rtsp://user:password@host:port/path")
        if host[2] and not 1 <= int(host[2]) <= _LAST_PORT:
            raise SourceError(f"the port of a camera's address must be 1 to {_LAST_PORT}, not {host[2]}")
        return f"{scheme}://{_encoded(secret)}@{rest}" if secret else f"{scheme}://{rest}"

    def __str__(self) -> str:
        if self.device:
            return self.device
        if REFERENCE.search(self._written):
            return "an address that is kept secret"
        match = _SCHEME.match(self._written)
        host = _HOST.match(_split(self._written[match.end() :])[1]) if match else None
        return f"{match[1]}://{host[0]}" if match and host else "an address that cannot be read"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self._written == other._written

    def __hash__(self) -> int:
        return hash(self._written)

    def __reduce__(self) -> tuple[Any, ...]:
        return Address, (self._written,)

    def _resolved(self) -> str:
        return REFERENCE.sub(_look_up, self._written)


def from_environment(written: str) -> str:
    """The text with each `${env:NAME}` looked up; a `${file:PATH}` stays, as it is read where the camera is.

    Raises:
        SourceError: there is no such variable.
    """
    return REFERENCE.sub(lambda match: _look_up(match) if match[1] == "env" else match[0], written)


def check_address(written: str) -> None:
    """Raise SourceError where it is no address; of one that is kept elsewhere nothing can be said yet."""
    if "${" not in written:
        Address(written).reveal()


def is_camera(written: str) -> bool:
    """Whether a source is a camera's address, and not a path."""
    return bool(_SCHEME.match(written) or REFERENCE.search(written) or _DEVICE.match(written))


def secret_files(written: str) -> list[Path]:
    """The files in which parts of an address are kept."""
    return [Path(name).expanduser() for kind, name in REFERENCE.findall(written) if kind == "file"]


def looks_secret(written: str) -> bool:
    """Whether what should be a path may be an address without its scheme, and is therefore not to be repeated."""
    return "@" in written or bool(re.search(r"[?&](user|pass|pwd|token|key)\w*=", written, re.IGNORECASE))


def _scheme(text: str) -> str:
    match = _SCHEME.match(text)
    if not match:
        raise SourceError("the address of a camera must begin with rtsp://, rtsps://, http:// or https://")
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise SourceError(f"addresses of kind {scheme}:// cannot be read; give {', '.join(sorted(SCHEMES))}")
    return scheme


def _split(text: str) -> tuple[str, str]:
    """User and password, or "", and what comes behind. An "@" belongs to a path where a host may stand before it."""
    secret, _, rest = text.rpartition("@")
    host = _HOST.match(text)
    if host and ":" not in secret[host.end() :]:
        return "", text
    return secret, rest


def _encoded(secret: str) -> str:
    user, colon, password = secret.partition(":")
    return _quoted(user) + colon + _quoted(password)


def _quoted(text: str) -> str:
    """Percent-encoded, where it is not already."""
    return quote(_LONE_PERCENT.sub("%25", text), safe="%")


def _look_up(match: re.Match[str]) -> str:
    kind, name = match[1], match[2]
    if kind == "env":
        if (value := os.environ.get(name)) is None:
            raise SourceError(f"the environment variable {name} is not set; it should hold a camera's address")
        return value.strip()
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = too_many(error)
        raise SourceError(
            f"the file {name}, which should hold a camera's address, cannot be read" + f": {why}" * bool(why)
        ) from error
