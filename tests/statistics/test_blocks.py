"""Bounds of a ratio over time hold as often as they say, also where neighbouring frames are right or wrong together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.statistics.blocks import BLOCK_S, CONFIDENCE, FEWEST, blocks_of, estimate

FPS = 10


def together(rng, seconds, rate, stays_s):
    """Hits and trials by frame: one to three boxes, right or wrong for `stays_s` on average; `rate` are right."""
    frames = round(seconds * FPS)
    boxes = np.repeat(rng.integers(1, 4, frames // FPS + 1), FPS)[:frames].astype(float)
    right = np.empty(frames, bool)
    right[0] = rng.random() < rate
    leave = rng.random(frames) < 1 / (stays_s * FPS)
    for frame in range(1, frames):
        right[frame] = rng.random() < rate if leave[frame] else right[frame - 1]
    return right * boxes, boxes


@pytest.mark.parametrize(("rate", "stays_s", "seconds"), [(0.9, 0.5, 60), (0.8, 1.0, 120), (0.97, 0.5, 240)])
def test_bounds_cover_the_truth_as_often_as_they_say(rate, stays_s, seconds):
    rng = np.random.default_rng(7)
    block = blocks_of(np.arange(seconds * FPS) / FPS)
    told = [estimate(*together(rng, seconds, rate, stays_s), block) for _ in range(300)]
    under = np.mean([each.low <= rate for each in told])
    over = np.mean([each.high >= rate for each in told])
    # Blocks are a little alike, too: what is wrong at the end of one may be so at the beginning of the next.
    assert under >= CONFIDENCE - 0.08
    assert over >= CONFIDENCE - 0.08
    naive = np.mean([each.value - 1.645 * math.sqrt(rate * (1 - rate) / (seconds * FPS * 2)) <= rate for each in told])
    assert naive < under, "frames that count one by one would promise more than they can"


@given(st.integers(0, 12), st.integers(1, 30))
def test_fewer_blocks_than_the_fewest_bound_nothing(blocks, frames):
    hits = np.ones(blocks * frames)
    told = estimate(hits, hits, np.repeat(np.arange(blocks), frames))
    assert told.blocks == blocks
    assert told.value == (1.0 if blocks else None)
    if blocks < FEWEST:
        assert (told.low, told.high) == (0.0, 1.0)
    else:
        assert 0 < told.low < 1.0, "a few perfect blocks are no certainty"
        assert told.high == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_frames_without_anything_to_count_do_not_count(pairs):
    hits = np.array([float(min(pair)) for pair in pairs])
    trials = np.array([float(max(pair)) for pair in pairs])
    block = np.arange(len(pairs))
    some = trials > 0
    assert estimate(hits, trials, block) == estimate(hits[some], trials[some], block[some])


@given(
    st.lists(st.floats(-0.5, 1), min_size=FEWEST, max_size=40),
    st.integers(1, 1000),
)
def test_bounds_lie_around_the_value_and_names_of_blocks_do_not_matter(rates, offset):
    """Counts may be off by more than there is: hits below 0 are as bad as none."""
    trials = np.full(len(rates), 10.0)
    hits = trials * rates
    told = estimate(hits, trials, np.arange(len(rates)))
    assert 0 <= told.low <= told.high <= 1
    assert told.low - 1e-9 <= max(0, told.value) <= told.high + 1e-9
    assert told.margin == pytest.approx(told.value - told.low, abs=1e-9) or told.low == 0
    assert estimate(hits[::-1], trials, np.arange(len(rates))[::-1] * 3 + offset) == pytest.approx(told)
    sure = estimate(hits, trials, np.arange(len(rates)), confidence=0.99)
    assert sure.low <= told.low + 1e-9


@given(st.integers(FEWEST, 20), st.floats(0.8, 1), st.floats(0.3, 0.99), st.integers(0, 99))
def test_so_many_blocks_as_are_said_to_be_enough_are_about_enough(blocks, rate, floor, seed):
    rng = np.random.default_rng(seed)
    hits = rng.binomial(20, rate, blocks).astype(float)
    told = estimate(hits, np.full(blocks, 20.0), np.arange(blocks))
    needed = told.blocks_for(floor)
    if told.value <= floor:
        assert needed == math.inf
        return
    assert needed >= FEWEST
    if told.low > floor:
        assert needed <= max(blocks, FEWEST)
    if needed <= 2000:
        times = math.ceil(needed / blocks)
        more = np.tile(hits, times)
        assert estimate(more, np.full(len(more), 20.0), np.arange(len(more))).low >= floor


@pytest.mark.parametrize("blocks", range(1, FEWEST))
def test_perfect_blocks_need_a_few_more_not_hundreds(blocks):
    hits = np.full(blocks, 100.0)
    assert FEWEST <= estimate(hits, hits, np.arange(blocks)).blocks_for(0.9) <= 4 * FEWEST


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=200), st.floats(0, 1e5))
def test_a_block_lasts_as_long_as_it_says_wherever_footage_begins(steps, begin):
    pts = begin + np.cumsum(steps)
    block = blocks_of(pts)
    assert block[0] == 0
    assert (np.diff(block) >= 0).all()
    for number in set(block.tolist()):
        within = pts[block == number]
        assert within[-1] - within[0] <= BLOCK_S + 1e-6
