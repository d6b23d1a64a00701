"""Packing, for any rectangles: all inside their canvas, none upon another, none scaled."""

from hypothesis import given
from hypothesis import strategies as st

from vidpipe.stages.detect.packing import pack

SIDE = st.integers(1, 60)


@given(st.lists(st.tuples(SIDE, SIDE), max_size=25), st.integers(60, 120), st.integers(60, 120), st.integers(0, 9))
def test_all_inside_and_apart(sizes, width, height, gap):
    spots = pack(sizes, (width, height), gap)
    assert len(spots) == len(sizes)
    assert {spot.canvas for spot in spots} == set(range(len({spot.canvas for spot in spots})))
    placed = list(zip(spots, sizes, strict=True))
    for index, (spot, (w, h)) in enumerate(placed):
        assert 0 <= spot.x <= width - w
        assert 0 <= spot.y <= height - h
        for other, (w2, h2) in placed[:index]:
            apart = spot.x >= other.x + w2 + gap or other.x >= spot.x + w + gap
            above = spot.y >= other.y + h2 + gap or other.y >= spot.y + h + gap
            assert spot.canvas != other.canvas or apart or above


def test_what_does_not_fit():
    assert pack([(10, 10), (101, 5)], (100, 100)) is None
    assert pack([], (100, 100)) == []


def test_a_full_canvas_is_used_before_the_next():
    assert {spot.canvas for spot in pack([(50, 50)] * 4, (100, 100))} == {0}
    assert {spot.canvas for spot in pack([(50, 50)] * 5, (100, 100))} == {0, 1}
