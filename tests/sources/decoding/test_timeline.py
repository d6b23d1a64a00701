"""Media time only goes forward, whatever the stamps do."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.sources.decoding.timeline import STEP_S, Timeline

TICK = Fraction(1, 10)
PERIOD = 0.1


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 1, 2], [0, 0.1, 0.2]),
        ([14, 15, 17], [0, 0.1, 0.3]),
        ([-2, -1, 0], [0, 0.1, 0.2]),
        ([None, None, None], [0, 0.1, 0.2]),
        ([0, None, 2, None], [0, 0.1, 0.2, 0.3]),
        ([0, 1, 1, 2], [0, 0.1, 0.1 + STEP_S, 0.2]),
        ([0, 1, 4, 3, 5], [0, 0.1, 0.4, 0.4 + STEP_S, 0.5]),
        ([0, 1, 2, 50, 51], [0, 0.1, 0.2, 5.0, 5.1]),
        ([0, 50, 51, 3, 4, 5], [0, 5.0, 5.1, 5.2, 5.3, 5.4]),
    ],
)
def test_times(stamps: list[int | None], expected: list[float]) -> None:
    timeline = Timeline(TICK, PERIOD)
    assert [timeline.at(stamp) for stamp in stamps] == pytest.approx(expected)


def test_known_origin() -> None:
    assert Timeline(TICK, PERIOD, origin=10).at(35) == 2.5


@given(st.lists(st.none() | st.integers(-100, 100)))
def test_time_always_grows(stamps: list[int | None]) -> None:
    timeline = Timeline(TICK, PERIOD)
    times = [timeline.at(stamp) for stamp in stamps]
    assert all(later - earlier >= STEP_S / 2 for earlier, later in pairwise(times))
