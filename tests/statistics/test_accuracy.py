"""Audits of a few answers tell how accurate all of them are, with an interval that can be believed. What must hold:

- sums of two sets of frames add up to those of both;
- where every answer was audited the accuracy is known exactly;
- the interval holds the truth in at least 93 of 100 draws, whatever the stages and however few the audits;
- nothing is proved by audits that were all perfect, or by none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vidpipe.statistics.accuracy import Stratum, Sums, closeness, share

FRAME = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)).map(
    lambda counts: (2 * min(counts), 2 * min(counts) + counts[0] + counts[1])
)
FRAMES = st.lists(FRAME, max_size=12)


def sums(frames) -> Sums:
    total = Sums()
    for x, y in frames:
        total = total.and_frame(x, y)
    return total


@given(one=FRAMES, other=FRAMES)
def test_sums_of_two_sets_add_up(one, other):
    assert sums(one) + sums(other) == sums(one + other)


@given(exact=FRAMES, stages=st.lists(FRAMES, max_size=3))
def test_where_every_answer_was_audited_accuracy_is_known_exactly(exact, stages):
    exact = [(y, y) for _, y in exact]
    strata = [Stratum(0, len(frames), sums(frames)) for frames in stages]
    found = share(sums(exact), strata)
    every = [*exact, *(frame for frames in stages for frame in frames)]
    there = sum(y for _, y in every)
    if not there:
        assert found is None
        return
    truth = sum(x for x, _ in every) / there
    assert found == pytest.approx((truth, truth, truth))
    near = closeness(sums(exact), strata)
    assert near == pytest.approx((truth, truth, truth))  # here less than there is, never more


@given(exact=FRAMES, stages=st.lists(st.tuples(st.integers(0, 500), FRAMES), max_size=3))
def test_an_estimate_lies_in_its_interval_and_that_in_0_to_1(exact, stages):
    strata = [Stratum(unaudited, 0, sums(frames)) for unaudited, frames in stages]
    for judge in (share, closeness):
        found = judge(sums([(y, y) for _, y in exact]), strata)
        if found is not None:
            assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("audits", "low"), [(1, 0.2), (10, 0.72), (100, 0.963), (1000, 0.9961)])
def test_perfect_audits_prove_no_perfect_stage(audits, low):
    """Wilson's lower bound: the same as if frames were right or wrong as a whole."""
    found = share(Sums(), [Stratum(10**6, 0, sums([(8, 8)] * audits))])
    assert found == pytest.approx((1, low, 1), abs=0.01)


def test_audits_that_saw_an_empty_scene_prove_no_empty_scene():
    """A filter withholds 10,000 frames; in 100 audits it was right, yet it may have missed more than was ever found."""
    found = share(sums([(2, 2)] * 100), [Stratum(10_000, 0, sums([(0, 0)] * 100))])
    assert found.value == 1
    assert found.low < 0.5


def test_nothing_is_known_without_audits():
    assert share(Sums(), []) is None
    assert share(sums([(4, 4)]), [Stratum(99, 0, Sums())]) is None
    assert share(sums([(4, 4)] * 50), []) == (1, 1, 1)
    # One stage was looked at, the other never: all of its frames may be wrong.
    found = share(sums([(4, 4)] * 50), [Stratum(100, 0, sums([(4, 4)] * 20)), Stratum(150, 0, Sums())])
    assert found.value == 1
    assert found.low < 0.55


class Said(NamedTuple):
    """Of each frame: boxes that the last stage sees, those of them in the answer, all in the answer, who answered."""

    seen: NDArray[np.int64]
    right: NDArray[np.int64]
    said: NDArray[np.int64]
    stage: NDArray[np.int64]


def people(rng: np.random.Generator, frames: int) -> NDArray[np.int64]:
    return rng.poisson(4, frames)


def visits(rng: np.random.Generator, frames: int) -> NDArray[np.int64]:
    """Somebody in a frame of five, for fifty frames at a time."""
    return np.where(np.repeat(rng.random(frames // 50) < 0.2, 50), rng.poisson(5, frames), 0)


def rarely(rng: np.random.Generator, frames: int) -> NDArray[np.int64]:
    return np.where(rng.random(frames) < 0.05, rng.integers(1, 4, frames), 0)


def answered(rng: np.random.Generator, seen: NDArray[np.int64], wrong: float) -> Said:
    """Boxes get lost one by one, and all of a frame at times; some are false. Stage 0 is the last one."""
    frames = len(seen)
    stage = rng.choice(3, frames, p=[0.1, 0.6, 0.3])
    lost = np.where(rng.random(frames) < wrong / 4, seen, rng.binomial(seen, wrong))
    false = rng.random(frames) < wrong / 4
    cheap = stage > 0
    return Said(seen, seen - lost * cheap, seen + (false - lost) * cheap, stage)


def of(x: NDArray[np.int64], y: NDArray[np.int64]) -> Sums:
    x, y = x.astype(float), y.astype(float)
    return Sums(len(x), int((y > 0).sum()), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum())


@pytest.mark.parametrize("stands", [False, True], ids=["replay", "live"])
@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("wrong", [0.02, 0.2])
@pytest.mark.parametrize("scene", [people, visits, rarely])
def test_the_interval_holds_the_truth(scene, wrong, rate, stands):
    """What counts is what is published: in replay an audited answer is replaced by what checked it."""
    rng = np.random.default_rng(5)
    draws, held, counts_held = 200, 0, 0
    for _ in range(draws):
        seen, right, said, stage = answered(rng, scene(rng, 5000), wrong)
        audited = (rng.random(5000) < rate) & (stage > 0)
        published = said if stands else np.where(audited, seen, said)
        true = right if stands else np.where(audited, seen, right)
        exact = (stage == 0) | (audited & (not stands))
        pairs, counts = [], []
        for one in (1, 2):
            mine = (stage == one) & audited
            alone, stood = int(((stage == one) & ~audited).sum()), int(mine.sum()) if stands else 0
            pairs.append(Stratum(alone, stood, of(2 * right[mine], (said + seen)[mine])))
            counts.append(Stratum(alone, stood, of(said[mine], seen[mine])))
        looked = seen[exact]
        found, near = share(of(2 * looked, 2 * looked), pairs), closeness(of(looked, looked), counts)
        held += found.low <= 2 * true.sum() / (published + seen).sum() <= found.high
        counts_held += near.low <= 1 - abs(published.sum() - seen.sum()) / seen.sum() <= near.high
    assert min(held, counts_held) >= 0.93 * draws
