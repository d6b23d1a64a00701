"""Programs that take events, and their faults: a web server that does as it is told, and certificates."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Certificate:
    """One for a host that signs itself, and its key."""

    file: Path
    key: Path


def certificate(folder: Path, host: str = "127.0.0.1") -> Certificate:
    """Make one; skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = Certificate(folder / f"{host}.pem", folder / f"{host}.key")
    kind = "IP" if host[0].isdigit() else "DNS"
    options = ["-days", "30", "-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *options]
    subprocess.run([*command, "-keyout", str(made.key), "-out", str(made.file)], check=True, capture_output=True)
    return made


@dataclass
class Answer:
    """What the server does with a request: None as status: it never answers; as `raw`: bytes that are no HTTP."""

    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


class WebReceiver:
    """A real web server on this machine.

    Attributes:
        answers: what it does with the next requests; when there is none left it takes everything.
        requests: (path, headers, body) of each request.
    """

    def __init__(self, certificate: Certificate | None = None, port: int = 0) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.end = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answer = receiver.answers.pop(0) if receiver.answers else Answer()
                if answer.raw is not None:
                    self.wfile.write(answer.raw)
                elif answer.status is None:
                    receiver.end.wait(30)
                else:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.scheme = "http"
        if certificate is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.file, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def seqs(self) -> list[int]:
        """Of the events in all requests."""
        return [json.loads(body)["seq"] for _, _, body in self.requests]

    def close(self) -> None:
        self.end.set()
        self._server.shutdown()
        self._server.server_close()
