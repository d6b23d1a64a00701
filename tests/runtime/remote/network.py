"""A network of one hop, in threads: passes bytes on, and can be cut, or stall, in both directions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Network:
    """Leads from `port` to the port that it is given.

    Attributes:
        to: the port behind it; 0: nobody.
        stalled: bytes are taken, and passed on once it is over.
        after: all connections end once so many bytes have passed.
        on_cut: called then.
        passed: bytes so far.
    """

    def __init__(self) -> None:
        self.to = 0
        self.stalled = threading.Event()
        self.after: int | None = None
        self.on_cut: Callable[[], None] = lambda: None
        self.passed = 0
        self.connections = 0
        self._cut = False
        self._ends: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and let nobody through."""
        self._cut = True
        self.break_off()

    def mend(self) -> None:
        self._cut = False

    def break_off(self) -> None:
        """End all connections; others may come."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._lead, args=(near,), daemon=True).start()

    def _lead(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            if self._cut:
                return
            with socket.create_connection(("127.0.0.1", self.to)) as far:
                ends = {near, far}
                self._ends |= ends
                back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
                back.start()
                self._pass(near, far)
                back.join()
                self._ends -= ends

    def _pass(self, of: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := of.recv(4096):
                while self.stalled.is_set() and not self._cut:
                    threading.Event().wait(0.01)
                if self.after is not None and self.passed + len(data) > self.after:
                    self.after = None
                    self.on_cut()
                    break
                self.passed += len(data)
                to.sendall(data)
        for end in (of, to):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
