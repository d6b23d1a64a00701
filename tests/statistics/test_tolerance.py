"""Thresholds hold on visits that nobody has seen, as often as they promise to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.statistics.tolerance import LOG_ODDS, Seen, rate, seen, shared, threshold

CONFIDENT_OF_100 = 93


def visits(rng, count, *, spread, frames=30, within=0.3, tail=None):
    """Scores of visits: each has its own level, and frames around it. With `tail`, levels are Student's t."""
    levels = rng.standard_t(tail, count) if tail else rng.normal(0, 1, count)
    numbers = np.repeat(np.arange(count), rng.integers(frames // 2, frames * 2, count))
    return 3 + spread * levels[numbers] + rng.normal(0, within, len(numbers)), numbers


@pytest.mark.parametrize("budget", [0.01, 0.05])
@pytest.mark.parametrize(("count", "spread", "tail"), [(3, 0.3, None), (6, 0.6, None), (25, 0.8, None), (40, 0.4, 8)])
def test_the_bound_holds_in_simulated_streams(budget, count, spread, tail):
    """Of 100 streams, fitted on a few visits, so many at least miss no more than their budget on all others."""
    rng = np.random.default_rng([count, round(1000 * budget)])
    held = 0
    for _ in range(100):
        limit = threshold(*visits(rng, count, spread=spread, tail=tail), budget)
        unseen, _ = visits(rng, 2000, spread=spread, tail=tail)
        held += np.mean(unseen < limit) <= budget
    assert held >= CONFIDENT_OF_100


def haunted(rng, count, share, **made):
    """Visits, and beside them so many times as many ghosts: one frame each, of which no picture shows anything."""
    scores, numbers = visits(rng, count, **made)
    ghosts = rng.poisson(count * share)
    scores, numbers = np.append(scores, np.full(ghosts, -9.0)), np.append(numbers, count + np.arange(ghosts))
    return scores, numbers, numbers >= count


@pytest.mark.parametrize(("count", "share", "budget"), [(12, 0.1, 0.03), (25, 0.3, 0.03), (40, 0.1, 0.02)])
def test_ghosts_are_given_up_within_the_budget(count, share, budget):
    """One ghost once took the threshold of a whole stream; what is missed of all frames, ghosts included, holds."""
    rng = np.random.default_rng(count)
    held = useful = 0
    for _ in range(100):
        scores, numbers, ghosts = haunted(rng, count, share, spread=0.4)
        limit = threshold(scores, numbers, budget, fleeting=ghosts)
        unseen, _, _ = haunted(rng, 2000, share, spread=0.4)
        held += np.mean(unseen < limit) <= budget
        useful += limit > 0
        assert limit >= threshold(scores, numbers, budget)
    assert held >= CONFIDENT_OF_100
    assert useful >= 90


def with_ends(rng, count):
    """Visits of 25 frames as a gate scores them: surely in the middle, and at either end now and then hardly."""
    levels, numbers = 4 + 1.5 * rng.normal(0, 1, count), np.repeat(np.arange(count), 25)
    scores = levels[numbers] + rng.normal(0, 0.8, len(numbers))
    ends = np.isin(np.tile(np.arange(25), count), (0, 24)) & (rng.random(len(numbers)) < 0.4)
    scores[ends] -= rng.exponential(4, ends.sum())
    return np.minimum(scores, 6), numbers


@pytest.mark.parametrize(("count", "budget"), [(8, 0.05), (17, 0.02), (17, 0.05), (40, 0.02)])
def test_ends_of_visits_do_not_stand_for_visits(count, budget):
    """At their ends things are half in the picture: taken for visits, few such frames left no threshold at all."""
    rng = np.random.default_rng([count, round(1000 * budget)])
    limits, held = [], 0
    for _ in range(100):
        limits.append(threshold(*with_ends(rng, count), budget, LOG_ODDS))
        unseen, _ = with_ends(rng, 2000)
        held += np.mean(unseen < limits[-1]) <= budget
    assert held >= CONFIDENT_OF_100
    assert np.median(limits) > (-4.5 if budget * count > 0.35 else -10)


def test_many_visits_need_no_assumption():
    """Half of all visits are far fainter than the others: a normal limit would lie far below all of them."""
    rng = np.random.default_rng(0)
    faint = rng.random(800) < 0.5
    scores = np.where(faint, 0.0, 50.0) + rng.random(800)
    limit = threshold(scores, np.arange(800), 0.02)
    assert scores.min() < limit < 0.05
    assert np.mean(scores < limit) <= 0.01


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(2, 30),
    budgets=st.tuples(st.floats(0.001, 0.4), st.floats(0.001, 0.4)),
)
def test_a_stricter_budget_never_has_a_higher_threshold(seed, count, budgets):
    scores = visits(np.random.default_rng(seed), count, spread=0.5)
    strict, loose = sorted(budgets)
    assert threshold(*scores, strict) <= threshold(*scores, loose)


@pytest.mark.parametrize(("count", "budget"), [(0, 0.1), (1, 0.1), (20, 0.0)])
def test_nothing_is_known_of_one_visit_or_of_no_budget(count, budget):
    scores, numbers = visits(np.random.default_rng(0), 20, spread=0.3)
    few = numbers < count
    assert threshold(scores[few], numbers[few], budget) == -np.inf


def test_a_visit_that_is_missed_counts_as_a_whole():
    """One visit of ten is missed: of 400 frames 40, but they are one event. Frames alone would say 13 % at most."""
    numbers = np.repeat(np.arange(10), 40)
    found = rate(numbers == 3, numbers)
    assert found.rate == pytest.approx(0.1)
    assert found.high > 0.25


def test_a_rate_of_evenly_spread_misses_is_nearly_known():
    numbers = np.repeat(np.arange(10), 40)
    found = rate(np.arange(400) % 40 == 0, numbers)
    assert found.rate == pytest.approx(1 / 40)
    assert found.high == pytest.approx(1 / 40)
    assert rate(np.zeros(40, bool), np.zeros(40, int)).high == 1.0


@pytest.mark.parametrize("tail", [None, 8])
@pytest.mark.parametrize("count", [2, 4])
def test_what_other_cameras_have_seen_raises_the_threshold_and_the_bound_still_holds(count, tail):
    """Cameras differ in how far their visits lie apart; the sixth begins from what five have seen."""
    rng = np.random.default_rng(count)
    held, higher = 0, 0
    for _ in range(100):
        *others, spread = rng.uniform(0.4, 1.2, 6)
        told = [seen(*visits(rng, int(rng.integers(5, 20)), spread=one, tail=tail), 0.05) for one in others]
        own = visits(rng, count, spread=spread, tail=tail)
        limit = threshold(*own, 0.05, shared(LOG_ODDS, told))
        unseen, _ = visits(rng, 2000, spread=spread, tail=tail)
        held += np.mean(unseen < limit) <= 0.05
        higher += limit >= threshold(*own, 0.05, LOG_ODDS)
    assert held >= CONFIDENT_OF_100
    assert higher >= 90


@settings(deadline=None)
@given(st.lists(st.builds(Seen, st.integers(0, 10**6), st.floats(0, 1e3), st.floats(0, 1e3)), max_size=8))
def test_what_is_shared_is_always_a_spread_and_worth_no_more_than_what_was_seen(told):
    for usual, found in zip(LOG_ODDS, shared(LOG_ODDS, told), strict=True):
        assert np.isfinite(found).all()
        assert found.apart > 0
        assert 0 < found.worth <= usual.worth + sum(max(0, one.visits - 1) for one in told) + 1e-6


def test_cameras_that_have_seen_nothing_leave_what_is_usual():
    assert shared(LOG_ODDS, [Seen(1, 0.0, 0.0)]) == LOG_ODDS
