"""How figures are written."""

import pytest

from vidpipe.bench.figures import Spread
from vidpipe.bench.report.text import give, interval, number, share, spread


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 100, "0 %"),
        (1, 10_000, "<0.1 %"),
        (1, 1000, "0.1 %"),
        (95, 1000, "9.5 %"),
        (1, 3, "33 %"),
        (994, 1000, "99 %"),
        (996, 1000, "99.6 %"),
        (99_999, 100_000, ">99.9 %"),
        (100, 100, "100 %"),
        (0, 0, "-"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(part, whole, said):
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Spread(median=0.5, low=0.48, high=0.52), "±4 %"),
        (Spread(median=0.5, low=0.5, high=0.5), ""),
        (Spread(median=0.0, low=0.0, high=0.1), ""),
    ],
)
def test_how_far_repeats_differ(value, said):
    assert give(value) == said
    assert spread(value, 1) == f"{value.median:.1f} {said}".strip()


def test_what_is_undefined_is_a_dash():
    assert (number(None), interval(None, 0.9), interval(0.1, None)) == ("-", "-", "-")
    assert (number(1234.5, 1), interval(0.9, 0.95)) == ("1,234.5", "0.900 to 0.950")
