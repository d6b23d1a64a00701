"""Zones and lines. What must hold, wherever they lie:

- a point is in a zone exactly where the even-odd rule says so, however the grid has cut the picture;
- a way that goes from side to side of a line crosses it once, in as many steps as one likes;
- within the room that is told no way crosses a line, and within the calm no zone is entered or left, either.
"""

from __future__ import annotations

import math
import pickle
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.transforms.rules.geometry import Geometry

PART = st.one_of(st.integers(0, 1000).map(lambda part: part / 1000), st.integers(0, 128).map(lambda part: part / 128))
POINT = st.tuples(PART, PART)
ZONE = st.lists(POINT, min_size=3, max_size=7, unique=True)
LINE = st.lists(POINT, min_size=2, max_size=4, unique=True)


def even_odd(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (ay <= y) != (by <= y):
            slope = (bx - ax) / (by - ay)
            inside ^= x < (ax - slope * ay) + slope * y
    return inside


@settings(max_examples=50, deadline=None)
@given(st.lists(ZONE, min_size=1, max_size=3), st.lists(POINT, min_size=1, max_size=20))
def test_a_point_is_inside_by_the_even_odd_rule(zones: list, points: list) -> None:
    geometry = Geometry(zones, [])
    for x, y in [*points, *(corner for zone in zones for corner in zone)]:
        assert geometry.at(x, y)[0] == tuple(k for k, zone in enumerate(zones) if even_odd(zone, x, y))


def test_each_point_is_in_one_of_two_zones_that_share_a_side() -> None:
    left, right = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)], [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
    geometry = Geometry([left, right], [])
    assert [geometry.at(x / 256, 0.3)[0] for x in range(255)] == [(0,)] * 128 + [(1,)] * 127


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=3, max_size=5, unique=True),
    st.lists(st.tuples(st.integers(0, 96), st.integers(0, 96)), min_size=2, max_size=30),
)
def test_a_way_crosses_a_line_as_often_in_one_direction_as_it_comes_back(line: list, way: list) -> None:
    """A closed line is crossed as often inwards as outwards by who ends where he began."""
    corners, steps = [(x / 16, y / 16) for x, y in line], [(x / 97 + 0.003, y / 97 + 0.003) for x, y in way]
    geometry = Geometry([], [[*corners, corners[0]]])
    total = 0
    for (x0, y0), (x1, y1) in pairwise([*steps, steps[0]]):
        total += sum(crossed.sign for crossed in geometry.crossed(x0, y0, x1, y1))
    assert total == 0


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("start", "end", "sign"), [((0.2, 0.3), (0.8, 0.6), 1), ((0.8, 0.6), (0.2, 0.3), -1)])
def test_a_crossing_counts_once_in_as_many_steps_as_one_likes(steps: int, start, end, sign: int) -> None:
    geometry = Geometry([], [[(0.5, 1.0), (0.5, 0.4), (0.5, 0.0)]])
    points = [tuple(a + (b - a) * k / steps for a, b in zip(start, end, strict=True)) for k in range(steps + 1)]
    crossed = [each for (x0, y0), (x1, y1) in pairwise(points) for each in geometry.crossed(x0, y0, x1, y1)]
    assert [each.sign for each in crossed] == [sign]
    assert 0 <= crossed[0].part <= 1


@settings(max_examples=50, deadline=None)
@given(LINE, POINT, st.floats(-1, 1), st.floats(-1, 1))
def test_within_the_room_that_is_told_no_line_is_crossed(line: list, start, across: float, down: float) -> None:
    geometry = Geometry([], [line])
    (x, y), (_, room, _) = start, geometry.at(*start)
    far = 0.999 * math.sqrt(room / 2)
    assert geometry.crossed(x, y, x + far * across, y + far * down) == []


@settings(max_examples=50, deadline=None)
@given(ZONE, LINE, POINT, st.floats(0, 2 * math.pi), st.floats(0, 0.999))
def test_within_the_calm_that_is_told_nothing_changes(zone: list, line: list, start, way: float, part: float) -> None:
    geometry = Geometry([zone], [line])
    (x, y), (zones, room, calm) = start, geometry.at(*start)
    assert calm <= room
    there = x + part * math.sqrt(calm) * math.cos(way), y + part * math.sqrt(calm) * math.sin(way)
    if min(there) >= 0 and max(there) < 1:
        assert geometry.at(*there)[0] == zones
        assert geometry.crossed(x, y, *there) == []


def test_directions_are_left_to_right_of_one_who_walks_along_the_line() -> None:
    to_the_right = Geometry([], [[(0.0, 0.5), (1.0, 0.5)]])
    assert [each.sign for each in to_the_right.crossed(0.5, 0.4, 0.5, 0.6)] == [1]  # from above to below
    upwards = Geometry([], [[(0.5, 1.0), (0.5, 0.0)]])
    assert [each.sign for each in upwards.crossed(0.4, 0.5, 0.6, 0.5)] == [1]


def test_distance_is_in_parts_of_the_height() -> None:
    geometry = Geometry([], [[(0.5, 0.0), (0.5, 0.5)]])
    assert geometry.distance(0, 0.6, 0.2, 16 / 9) == pytest.approx(0.1 * 16 / 9)
    assert geometry.distance(0, 0.5, 0.9, 16 / 9) == pytest.approx(0.4)
    assert math.sqrt(geometry.at(0.1, 0.1)[1]) < 0.4 < math.sqrt(geometry.at(0.1, 0.1)[1]) + 0.02


def test_it_travels_without_its_grid() -> None:
    geometry = Geometry([[(0.1, 0.1), (0.9, 0.1), (0.5, 0.9)]], [[(0.0, 0.5), (1.0, 0.5)]])
    packed = pickle.dumps(geometry)
    assert len(packed) < 1000
    assert pickle.loads(packed).at(0.5, 0.5) == geometry.at(0.5, 0.5)
