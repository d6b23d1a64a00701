"""What sinks that reach out over a network share: whom they trust, and what is wrong where nobody is reached."""

from __future__ import annotations

import socket
import ssl

from vidpipe.core.errors import ConfigError

NOT_YET = (401, 403, 404, 407, 408, 409, 425, 429)
"""What a receiver says that is set up wrongly, or has no time: somebody will set it right, and nothing is lost."""


def tls_context(ca_file: str | None, sink: object) -> ssl.SSLContext:
    """A context that checks certificates by the system's, or by a file's.

    Args:
        sink: as errors call it.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"{sink}: ca_file {ca_file} cannot be read: {error.strerror or error}") from None


def why_unreached(error: OSError, timeout_s: float) -> str:
    """What kept a receiver from being reached, without any part of its address."""
    if isinstance(error, TimeoutError):
        return f"it did not answer within {timeout_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; name another one in `ca_file`"
    if isinstance(error, socket.gaierror):
        return "there is no machine of that name"
    return (error.strerror or type(error).__name__).lower()
