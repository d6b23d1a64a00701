"""The active cache stays bounded and in order, and the way to the present splits change as evenly as can be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.stages.track.flow import Grey
from vidpipe.stages.track.replay import MOST, ActiveCache, Cached, partition, way
from vidpipe.stages.track.seen import Seen

PICTURE = np.zeros((4, 4), np.uint8)
CHANGES = st.lists(st.floats(0, 100), min_size=1, max_size=9)


def cached(seq, change=1.0):
    return Cached(Seen(seq, seq / 10, (4, 4), Grey.of(PICTURE, 4, 4), PICTURE), change)


def worst(changes, ends):
    begins = [0, *(end + 1 for end in ends)]
    return max(sum(changes[begin : end + 1]) for begin, end in zip(begins, ends, strict=False))


@given(CHANGES, st.integers(1, 9))
def test_no_other_split_has_a_smaller_largest_part(changes, parts):
    ends = partition(changes, parts)
    last = len(changes) - 1
    assert ends == sorted(set(ends))
    assert ends[-1] == last
    assert len(ends) <= min(parts, len(changes))
    others = [
        [*chosen, last] for count in range(min(parts, len(changes))) for chosen in combinations(range(last), count)
    ]
    assert worst(changes, ends) == pytest.approx(min(worst(changes, other) for other in others))


@given(st.integers(0, 300), st.sets(st.integers(0, 299), max_size=5))
def test_bounded_in_order_and_never_without_what_is_awaited(count, awaited):
    cache = ActiveCache()
    for seq in range(count):
        cache.add(cached(seq), keep=[number for number in awaited if number <= seq])
    assert len(cache) <= MOST + len(awaited)
    for number in awaited:
        kept = [frame.seq for frame in cache.since(number)]
        assert kept == sorted(set(kept))
        assert bool(kept) == (number < count)
        if kept:
            assert (kept[0], kept[-1]) == (number, count - 1)


def test_what_was_let_go_cannot_be_replayed():
    cache = ActiveCache()
    for seq in range(6):
        cache.add(cached(seq), keep=())
    cache.forget_before(4)
    assert cache.since(2) == []
    assert [frame.seq for frame in cache.since(4)] == [4, 5]


def test_the_way_ends_in_the_present_and_passes_where_others_wait():
    frames = [cached(seq, change) for seq, change in enumerate([0, 1, 1, 8, 1, 1, 1, 1])]
    assert [frame.seq for frame in way(frames, 2)][-1] == 7
    assert len(way(frames, 2)) == 2
    assert 5 in [frame.seq for frame in way(frames, 2, always=[5])]
    assert [frame.seq for frame in way(frames, 99)] == list(range(1, 8))
    assert way(frames[:1], 3) == []
