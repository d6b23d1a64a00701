"""What keeps a camera from being seen, by kind, in words that hold no part of an address that could be secret."""

from __future__ import annotations

import errno
import os
import random
import socket
import ssl
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from av.error import (
    FFmpegError,
    HTTPClientError,
    HTTPError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
)

from vidpipe.sources.address import Address
from vidpipe.sources.descriptors import too_many

FIRST_S, CAP_S = 0.5, 30.0
_GROWTH = 1.25
_DIAGNOSE_S = 3.0

_DEVICE = {
    errno.ENOENT: "there is no such device",
    errno.EACCES: "this user may not read the device",
    errno.EBUSY: "another program has the device",
}


class Kind(StrEnum):
    """Kinds of errors that are treated differently."""

    REFUSED = "refused"
    TIMEOUT = "timed out"
    DENIED = "denied"  # 401, 403: cameras lock out who keeps trying
    NOT_FOUND = "not found"
    CERTIFICATE = "certificate"
    TRANSPORT = "transport"
    PICTURE = "picture"  # connected, but what comes cannot be used
    LOST = "lost"

    @property
    def slow(self) -> bool:
        """Whether trying again soon can do no good."""
        return self in (Kind.DENIED, Kind.NOT_FOUND, Kind.CERTIFICATE)


class CameraError(Exception):
    """Why a connection did not come about, or ended."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Backoff:
    """How long to wait before the next try: exponential with full jitter (Brooker, AWS Architecture Blog, 2015).

    So cameras of one recorder that comes back are not all asked at once. Slow kinds of errors wait half the cap to the
    cap from the first time on.
    """

    def __init__(self, chance: random.Random, *, first_s: float = FIRST_S, cap_s: float = CAP_S) -> None:
        self._chance = chance
        self._first_s, self._cap_s = first_s, cap_s
        self._failures = 0

    def wait_s(self, kind: Kind) -> float:
        """Seconds until the next try."""
        longest_s = min(self._cap_s, self._first_s * _GROWTH ** min(self._failures, 32))
        self._failures += 1
        if kind.slow:
            return self._cap_s * (0.5 + 0.5 * self._chance.random())
        return longest_s * self._chance.random()

    def reset(self) -> None:
        """Pictures have been good for a while."""
        self._failures = 0


def camera_error(error: Exception, address: Address, *, took_s: float, timeout_s: float) -> CameraError:
    """What an error of FFmpeg means. Its own message and file name hold the address and are never repeated."""
    match error:
        case HTTPUnauthorizedError():
            return CameraError(Kind.DENIED, "401: wrong user or password")
        case HTTPForbiddenError():
            return CameraError(Kind.DENIED, "403: this user may not see the stream")
        case HTTPNotFoundError():
            return CameraError(Kind.NOT_FOUND, "404: the camera has no stream of this path")
        case HTTPError() | HTTPClientError():
            return CameraError(Kind.LOST, f"the camera refuses: {error.strerror}")
        case ConnectionRefusedError():
            return CameraError(Kind.REFUSED, "connection refused: nothing listens on this port")
    if took_s >= 0.95 * timeout_s or isinstance(error, TimeoutError):
        return CameraError(Kind.TIMEOUT, f"no answer within {timeout_s:g} s")
    if why := too_many(error):
        return CameraError(Kind.LOST, why)
    if isinstance(error, InvalidDataError) and (page := _page(address)):
        return CameraError(Kind.NOT_FOUND, page)
    number = error.errno if isinstance(error, OSError | FFmpegError) else None
    if number == errno.EPROTONOSUPPORT:
        return CameraError(Kind.TRANSPORT, "the camera does not offer this transport")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return CameraError(Kind.REFUSED, "the camera's network cannot be reached")
    if address.device and number in _DEVICE:
        return CameraError(Kind.NOT_FOUND, _DEVICE[number])
    if number == errno.EIO:
        return _diagnosed(address)
    if isinstance(error, FFmpegError) and not isinstance(error, OSError):
        return CameraError(Kind.LOST, f"no video could be read: {error.strerror}")
    return CameraError(Kind.LOST, f"the connection broke: {getattr(error, 'strerror', None) or type(error).__name__}")


def _diagnosed(address: Address) -> CameraError:
    """FFmpeg says "input/output error" of unknown hosts and of bad certificates alike: look what it was."""
    if address.device:
        return CameraError(Kind.LOST, "the device cannot be read")
    host, port = address.host
    try:
        socket.getaddrinfo(host, port)
    except OSError:
        return CameraError(Kind.REFUSED, "no host of this name is known")
    if address.scheme in ("rtsps", "https"):
        try:
            with socket.create_connection((host, port), _DIAGNOSE_S) as plain:
                tls = ssl.create_default_context(cafile=authorities())
                with tls.wrap_socket(plain, server_hostname=host):
                    pass
        except ssl.SSLCertVerificationError as error:
            return CameraError(Kind.CERTIFICATE, f"its certificate is not accepted: {error.verify_message}")
        except ssl.SSLError:
            return CameraError(Kind.CERTIFICATE, "it does not speak TLS on this port")
        except OSError:
            pass
    return CameraError(Kind.LOST, "the connection broke")


def _page(address: Address) -> str:
    """What to say where the address leads to a page for people instead of a stream; "" where it does not.

    It is asked for without user and password: they are for FFmpeg's connection, which has checked whose they are.
    """
    if address.device or address.scheme not in ("http", "https"):
        return ""
    parts = urlsplit(address.reveal())
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    asked = kind(*address.host, timeout=_DIAGNOSE_S)
    try:
        asked.request("GET", urlunsplit(("", "", parts.path or "/", parts.query, "")))
        answer = asked.getresponse()
        content = answer.headers.get_content_type()
        is_page = content in ("text/html", "application/xhtml+xml") or answer.read(64).lstrip()[:1] == b"<"
    except (OSError, HTTPException):
        return ""
    finally:
        asked.close()
    if not is_page:
        return ""
    return "the camera answers with a web page, not with video: look up its stream's path, and whether it wants a user"


def authorities() -> str | None:
    """The file of certificate authorities that the system trusts; SSL_CERT_FILE names another one."""

    known = ssl.get_default_verify_paths()
    places = (os.environ.get("SSL_CERT_FILE"), known.cafile, known.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt")
    return next((place for place in places if place and Path(place).is_file()), None)
