"""What a run that has a name does when it is asked: tells its status, changes settings, ends."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from vidpipe.cli.runs.messages import MOST_BYTES, pack, read
from vidpipe.cli.runs.place import Place
from vidpipe.core.errors import ConfigError, VidpipeError

log = logging.getLogger(__name__)

_PATIENCE_S = 5.0  # for a question to come in whole
_AT_ONCE = 8  # connections; others wait


Orders = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]
"""What a run may be asked to do, by name: from the question to the answer."""


@contextmanager
def served(orders: Orders, place: Place) -> Iterator[None]:
    """Answer questions to a run, inside the block; whose name is held by the caller."""
    server = _Server(orders, place)
    try:
        yield
    finally:
        server.close()


class _Server:
    """Listens on the socket of a run: each connection in a thread of its own, as new settings take seconds."""

    def __init__(self, orders: Orders, place: Place) -> None:
        self._place = place
        self._since = time.time()
        self._orders = orders
        place.socket.unlink(missing_ok=True)  # of a run that was killed
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place.socket))
        place.socket.chmod(0o600)
        self._listener.listen(_AT_ONCE)
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        threading.Thread(target=self._listen, name="vidpipe-control", daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next connection
        self._listener.close()
        self._place.socket.unlink(missing_ok=True)

    def _listen(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            threading.Thread(target=self._serve, args=(connection,), name="vidpipe-asked", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):  # whoever asked may have gone
                connection.settimeout(_PATIENCE_S)
                connection.sendall(pack(self._answer(connection)))
        finally:
            self._free.release()

    def _answer(self, connection: socket.socket) -> dict[str, Any]:
        try:
            question = read(connection, MOST_BYTES)
            order = self._orders.get(str(question.get("do")))
            if order is None:
                raise ConfigError(f"a run does {', '.join(self._orders)}; not {question.get('do')!r}")
            own = {"name": self._place.name, "pid": os.getpid(), "since": self._since}
            return own | order(question)
        except ValueError as error:
            return {"error": "config", "message": f"the question cannot be read: {error}"}
        except VidpipeError as error:
            return {"error": "config" if isinstance(error, ConfigError) else "run", "message": str(error)}
        except Exception as error:  # a question must not end the thread that answers it without a word
            log.debug("a question to the run", exc_info=error)
            return {"error": "run", "message": f"it failed: {type(error).__name__}"}
