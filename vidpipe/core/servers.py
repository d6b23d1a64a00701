"""Addresses of vidpipe's own servers: tls://HOST:PORT, or tcp:// within one machine."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

PORT = 7443


class ServerAddress(NamedTuple):
    """Where a server listens.

    Attributes:
        encrypted: whether over TLS; plain TCP never leaves the machine.
    """

    host: str
    port: int
    encrypted: bool = True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check_server(address: str) -> ServerAddress:
    """The parts of a server's address; raises ValueError with what to write."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError(f"is no address: write tls://HOST:PORT, as in tls://cloud.example:{PORT}") from None
    if parts.scheme not in ("tls", "tcp") or not host or not port or parts.path.strip("/") or parts.query:
        raise ValueError(f"is no address of a server: write tls://HOST:PORT, as in tls://cloud.example:{PORT}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no name or password: what the server asks for stands in `token`")
    if parts.scheme == "tcp" and not is_loopback(host):
        raise ValueError("tcp:// is not encrypted, and stays on this machine: write tls://")
    return ServerAddress(host, port, parts.scheme == "tls")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and cannot be reached from another one."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
