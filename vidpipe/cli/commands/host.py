"""`vidpipe host`: the lower part of a pipeline, for runs on other machines."""

from __future__ import annotations

import logging
import signal
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread
from vidpipe.core.servers import ServerAddress, is_loopback
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.http import parse_place
from vidpipe.runtime.remote.tls import fingerprint_of, server_context
from vidpipe.runtime.server.certificate import self_signed
from vidpipe.runtime.server.seal import Seal
from vidpipe.runtime.server.server import Server

log = logging.getLogger(__name__)

LEAST_TOKEN = 16  # letters: what is shorter can be guessed


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Arguments of the command."""

    pipeline: str
    config: Path | None
    sets: Sequence[str]
    listen: str
    token_file: Path
    cert: Path | None
    key: Path | None
    self_signed: Path | None
    plain: bool
    below: str


def host_pipeline(options: HostOptions) -> None:
    """Serve until somebody asks for the end.

    Raises:
        ConfigError: it cannot be served so.
        RunError: a certificate cannot be made.
    """
    port, host = parse_place(options.listen, "--listen")
    host = host.strip("[]")
    token = _token(options.token_file)
    certificate = _certificate(options, host)
    context = server_context(*certificate) if certificate is not None else None
    pipeline = load(options.pipeline, config=options.config, sets=options.sets)
    seal = Seal(certificate[1] if certificate is not None else None)
    server = Server(pipeline, options.below, ServerAddress(host, port), token, context, seal)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    port = server.open()
    try:
        _say(pipeline.name, server, ServerAddress(host, port), context, certificate)
        ended.wait()
    finally:
        server.close()


def _say(
    name: str,
    server: Server,
    address: ServerAddress,
    context: ssl.SSLContext | None,
    certificate: tuple[Path, Path] | None,
) -> None:
    console = Console(markup=False, highlight=False)
    scheme = "tls" if context is not None else "tcp"
    console.print(f"{name}: {', '.join(server.stages)}, below {server.link}, at {scheme}://{address}", soft_wrap=True)
    if certificate is not None:
        console.print(f"certificate: {certificate[0]}, fingerprint {fingerprint_of(certificate[0])}", soft_wrap=True)


def _token(file: Path) -> str:
    make = f"make one with: (umask 077; openssl rand -hex 32 > {file})"
    try:
        token = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigError(f"--token-file {file}: there is no such file; {make}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file}: cannot be read: {unread(error)}") from None
    if len(token) < LEAST_TOKEN or len(token.splitlines()) > 1:
        raise ConfigError(f"--token-file {file}: holds no token of {LEAST_TOKEN} letters or more on one line; {make}")
    if file.stat().st_mode & 0o077:
        log.warning("%s can be read by others on this machine: chmod 600 %s", file, file)
    return token


def _certificate(options: HostOptions, host: str) -> tuple[Path, Path] | None:
    """Certificate and key; None for plain TCP."""
    ways = [options.plain, options.self_signed is not None, options.cert is not None or options.key is not None]
    if sum(ways) != 1:
        raise ConfigError("say how it is encrypted, in one way: --cert FILE --key FILE, or --self-signed DIR")
    if options.plain:
        if not is_loopback(host):
            raise ConfigError(f"--plain at {host}: what is not encrypted stays on this machine; use --self-signed DIR")
        return None
    if options.self_signed is not None:
        return self_signed(options.self_signed, [] if host in ("0.0.0.0", "::") else [host])
    if options.cert is None or options.key is None:
        raise ConfigError("--cert and --key go together")
    return options.cert, options.key
