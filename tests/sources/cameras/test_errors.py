"""How long to wait before the next try, and what errors mean."""

import random
import socket
import threading
from contextlib import suppress

import av
import pytest

from tests.waiting import until
from vidpipe.core.settings import Knobs
from vidpipe.sources.address import Address
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.sources.cameras.errors import CAP_S, Backoff, Kind, camera_error
from vidpipe.sources.health import State
from vidpipe.testing.clock import HandClock


def waits(kind, tries, seed=0):
    backoff = Backoff(random.Random(seed))
    return [backoff.wait_s(kind) for _ in range(tries)]


def test_waits_grow_up_to_a_cap_and_are_spread_over_all_of_the_time_below():
    many = [waits(Kind.REFUSED, 24, seed) for seed in range(200)]
    for i, column in enumerate(zip(*many, strict=True)):
        longest = min(30, 0.5 * 1.25**i)
        assert 0.95 * longest < max(column) <= longest
        assert min(column) < 0.05 * longest


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.NOT_FOUND, Kind.CERTIFICATE])
def test_what_another_try_cannot_help_waits_long_from_the_first_time_on(kind):
    assert all(15 <= wait <= 30 for seed in range(50) for wait in waits(kind, 3, seed))


def test_good_pictures_end_the_matter():
    backoff = Backoff(random.Random(0))
    for _ in range(10):
        backoff.wait_s(Kind.LOST)
    backoff.reset()
    assert backoff.wait_s(Kind.LOST) <= 0.5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.error.HTTPUnauthorizedError, Kind.DENIED),
        (av.error.HTTPForbiddenError, Kind.DENIED),
        (av.error.HTTPNotFoundError, Kind.NOT_FOUND),
        (av.error.HTTPServerError, Kind.LOST),
        (av.error.ConnectionRefusedError, Kind.REFUSED),
        (av.error.InvalidDataError, Kind.LOST),
        (av.error.ConnectionResetError, Kind.LOST),
        (av.error.EOFError, Kind.LOST),
    ],
)
def test_errors_are_told_apart_and_lose_the_address(error, kind):
    url = "rtsp://u:s3cret@host/a"
    told = camera_error(error(1, "what FFmpeg says", url), Address(url), took_s=0.1, timeout_s=5)
    assert told.kind is kind
    assert "s3cret" not in str(told)


def test_what_took_as_long_as_it_may_has_timed_out():
    told = camera_error(av.error.ExitError(1, "", ""), Address("rtsp://host"), took_s=5.1, timeout_s=5)
    assert (told.kind, str(told)) == (Kind.TIMEOUT, "no answer within 5 s")


def test_a_camera_is_tried_again_when_the_time_has_come_and_not_before():
    clock, asked = HandClock(), threading.Semaphore(0)

    def refuse_all(server):
        with suppress(OSError):  # closed at the end
            while True:
                with server.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n")
                asked.release()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse_all, args=(server,), daemon=True).start()
        spec = StreamSpec(url=f"rtsp://127.0.0.1:{server.getsockname()[1]}/yard", transport="tcp")
        source = CameraSource("yard", spec, knobs=Knobs(), clock=clock)
        reading = threading.Thread(target=lambda: list(source))
        reading.start()
        for _ in range(3):
            assert asked.acquire(timeout=10)
            until(lambda: source.health.state is State.BACKING_OFF)
            clock.turn(0.49 * CAP_S)
            assert not asked.acquire(timeout=0.02)
            clock.turn(0.51 * CAP_S)
        source.close()
        reading.join(10)
        assert not reading.is_alive()
        server.shutdown(socket.SHUT_RDWR)
