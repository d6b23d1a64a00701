"""A certificate that signs itself: enough where both ends belong to the same people."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vidpipe.core.errors import ConfigError, RunError

DAYS = 825
CERT, KEY = "cert.pem", "key.pem"


def self_signed(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Certificate and key in a folder, made by OpenSSL where they are not there yet.

    Args:
        names: hosts that a caller may know this machine by, beside its own name and localhost.

    Raises:
        RunError: they cannot be made.
    """
    cert, key = folder / CERT, folder / KEY
    if cert.exists() or key.exists():
        if not (cert.exists() and key.exists()):
            raise ConfigError(f"{folder} has only one of {CERT} and {KEY}: remove it, and both are made anew")
        return cert, key
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RunError(f"--self-signed {folder}: cannot be made: {error.strerror}") from None
    hosts = dict.fromkeys([*names, socket.gethostname(), "localhost", "127.0.0.1", "::1"])
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", str(DAYS), "-subj", "/CN=vidpipe", "-addext", "subjectAltName=" + ",".join(map(_name, hosts))]
    command += ["-keyout", str(key), "-out", str(cert)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise RunError("--self-signed needs the program openssl: install it, or bring --cert and --key") from None
    except subprocess.TimeoutExpired:
        raise RunError("--self-signed: openssl did not end within a minute") from None
    if made.returncode:
        said = made.stderr.strip().splitlines()
        raise RunError(f"--self-signed {folder}: openssl failed: {said[-1] if said else made.returncode}")
    key.chmod(0o600)
    return cert, key


def _name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"
