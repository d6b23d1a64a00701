"""How long to wait before the next try, and what errors mean."""

import random

import av
import pytest

from vidpipe.sources.address import Address
from vidpipe.sources.cameras.errors import Backoff, Kind, camera_error


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
