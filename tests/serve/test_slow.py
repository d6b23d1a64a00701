"""Those who are slow on purpose, many at once. What must hold:

- a request that comes a byte at a time, in its head or its body, is given up;
- who listens and takes nothing is let go;
- meanwhile the streams are answered, and others are served.
"""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import ExitStack, closing, suppress

import pytest

from tests.waiting import until
from vidpipe.serve import guard as guard_module
from vidpipe.serve import server as server_module


def connected(served):
    return closing(socket.create_connection(("127.0.0.1", served.port), timeout=10))


HEAD = "POST /api/rules HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"


@pytest.mark.parametrize(("sent", "ends"), [("", b""), (HEAD, b"HTTP/1.1 408 ")])
def test_a_request_a_byte_at_a_time_is_given_up(serve, monkeypatch, sent, ends):
    monkeypatch.setattr(server_module, "IDLE_S", 0.3)
    monkeypatch.setattr(guard_module, "BODY_S", 0.3)
    served = serve()
    with connected(served) as connection:
        connection.sendall(sent.encode())
        over = threading.Event()

        def trickle():
            with suppress(OSError):
                while not over.wait(0.02):
                    connection.sendall(b"G")

        trickler = threading.Thread(target=trickle)
        trickler.start()
        try:
            with suppress(ConnectionResetError):
                assert connection.recv(13) == ends
        finally:
            over.set()
            trickler.join()
    assert served.browser.get("/api/status").status == 200


def test_who_listens_and_takes_nothing_is_let_go(serve, monkeypatch, caplog):
    monkeypatch.setattr(guard_module, "TAKEN_S", 0.2)
    monkeypatch.setattr(server_module, "IDLE_S", 0.4)
    caplog.set_level(logging.WARNING)
    served = serve()
    telling = served.page._shown.telling  # noqa: SLF001
    with ExitStack() as opened:
        for _ in range(20):
            slow = opened.enter_context(connected(served))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.sendall(f"GET /api/told HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        until(lambda: len(telling.listeners) == 20)

        def let_go():
            telling.tell([{"stream": "gate", "much": "x" * 100_000}])
            return not telling.listeners

        until(let_go)
        connections = served.page._server._server._server.server_state.connections  # noqa: SLF001
        until(lambda: not connections)  # though nobody has taken what was sent
        served.show(10)
        assert served.browser.get("/api/status").json["streams"]["gate"]["frames_in"] == 1
    assert caplog.text == ""


def test_streams_go_on_beside_all_of_them(serve):
    served = serve()
    asked = [
        b"",
        b"GET /",
        HEAD.encode(),
        f"GET /api/live?stream=gate HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode(),
        f"GET /api/told?answers=10 HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode(),
    ]
    with ExitStack() as opened:
        for number in range(200):
            connection = opened.enter_context(connected(served))
            connection.sendall(asked[number % len(asked)])
        served.show(*range(10, 40))
        assert served.run.status().streams["gate"].frames_in == 30
        assert served.browser.get("/api/status").status == 200
        assert served.page._shown.telling.listeners  # noqa: SLF001
