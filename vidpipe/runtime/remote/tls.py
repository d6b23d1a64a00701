"""TLS for both sides: who is trusted, and what is said where nobody is."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import LinkSpec


class UntrustedError(Exception):
    """The other side is not who it should be."""


def client_context(spec: LinkSpec) -> ssl.SSLContext:
    """For the side that calls; raises ConfigError where its certificates cannot be read."""
    try:
        context = ssl.create_default_context(cafile=spec.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca {spec.ca}: cannot be read as a certificate: {_why(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if spec.fingerprint is not None:  # it is compared once the server has shown its certificate
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """For the side that listens; raises ConfigError where its certificate cannot be used."""
    for what, path in (("certificate", cert), ("key", key)):
        if not path.is_file():
            raise ConfigError(f"{what} {path}: there is no such file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # nobody is there to be asked for one
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"certificate {cert} with key {key}: cannot be used: {_why(error)}") from None
    return context


def check_fingerprint(spec: LinkSpec, certificate: bytes | None) -> None:
    """Raises UntrustedError where a server shows another certificate than the one that is asked for."""
    if spec.fingerprint is None:
        return
    wanted = spec.fingerprint.replace(":", "").lower()
    if not hmac.compare_digest(hashlib.sha256(certificate or b"").hexdigest(), wanted):
        raise UntrustedError("its certificate has another fingerprint than the link's `fingerprint`")


def fingerprint_of(cert: Path) -> str:
    """SHA-256 of a certificate file's first certificate, as a link's `fingerprint` is written."""
    text = cert.read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") : text.index(end) + len(end)] + "\n")
    return hashlib.sha256(der).hexdigest()


def is_same_token(one: str, other: str) -> bool:
    """Whether two tokens are alike, in a time that tells nothing of where they differ."""
    digests = [hashlib.sha256(token.encode()).digest() for token in (one, other)]
    return hmac.compare_digest(*digests)


def why_untrusted(error: ssl.SSLError) -> str:
    """What a failed handshake means for who has to mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message.rstrip(".")
        return f"its certificate is not trusted ({said}): name the one that signs it as the link's `ca`"
    return f"no TLS could be agreed on: {_why(error)}"


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or getattr(error, "strerror", None) or error).replace("_", " ").lower()
