"""A bad way to a server: slow, lossy, cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Proxy:
    """Passes TCP on to a port of this machine.

    Attributes:
        bytes_per_s: how many come through from the server, or None for all.
        lose_next: bytes from the server that are lost, once.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.bytes_per_s: int | None = None
        self.lose_next = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        while self._open:
            _end(self._open.pop())

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                _end(client)
                continue
            self._open += [client, server]
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, bad: bool) -> None:
        try:
            while data := source.recv(4096 if not (bad and self.bytes_per_s) else 64):
                if bad and self.bytes_per_s:
                    time.sleep(len(data) / self.bytes_per_s)
                if bad and self.lose_next:
                    lost = min(self.lose_next, len(data))
                    data, self.lose_next = data[lost:], self.lose_next - lost
                sink.sendall(data)
        except OSError:
            pass
        _end(sink)
        _end(source)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
