"""What cameras get, and get anew. What must hold, for any cameras, options and limits:

- a plan keeps to the limits wherever one can, comes near the best, and never exceeds the bound;
- a resource that is not used up has no price;
- of a camera that could have more it is said what keeps it from that;
- a new plan keeps to the new limits, moves no more cameras than one without regard to the old plan would, and loses no
  more than is allowed; without a change nobody moves.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.budget.test_plan import LIMITS, STREAMS
from vidpipe.tuning.budget.plan import Option, Wish, demand_of, exact, fits, worth
from vidpipe.tuning.planner.assign import EXACT, assign, moved, replan, why

SEEDS = st.integers(0, 2**32)


def cameras(seed, count, most=6):
    """Cameras with up to `most` configurations, each on the edge or in the cloud."""
    rng = np.random.default_rng(seed)
    wishes = {}
    for number in range(count):
        options, cpu, lost = [], 0.02, 0.6
        for rung in range(rng.integers(1, most + 1)):
            cpu, lost = cpu + rng.uniform(0.02, 0.5), lost * rng.uniform(0.5, 0.95)
            options.append(Option(1 - lost, {"edge": cpu, "cloud": 0.0, "mbps": 0.01}, (rung, "edge")))
            far = {"edge": 0.05 * cpu, "cloud": cpu, "mbps": rng.uniform(0.1, 3)}
            options.append(Option(1 - lost, far, (rung, "cloud")))
        wishes[f"cam{number}"] = Wish(options, rng.choice([0.5, 1.0, 1.0, 2.0]))
    return wishes


def limits_of(wishes, share):
    """A share of what all would take with their best options."""
    best = {name: max(wish.options, key=lambda option: option.accuracy) for name, wish in wishes.items()}
    return {
        "edge": share * demand_of(best)["edge"],
        "cloud": share * demand_of(best)["edge"],
        "mbps": 2.0 * len(best),
    }


@given(STREAMS, LIMITS)
@settings(max_examples=30, deadline=None)
def test_a_plan_fits_where_any_does_and_is_worth_no_more_than_the_bound(wishes, limits):
    best, found = exact(wishes, limits), assign(wishes, limits)
    assert found.fits == (best is not None)
    assert found.fits == fits(found.plan, limits)
    if best is not None:
        assert found.worth == pytest.approx(worth(wishes, best), abs=1e-3)
        assert found.worth <= found.bound + 1e-3


@given(SEEDS, st.integers(30, 60), st.floats(0.4, 0.9))
@settings(max_examples=6, deadline=None)
def test_many_cameras_come_within_a_hundredth_of_the_bound(seed, count, share):
    wishes = cameras(seed, count)
    limits = limits_of(wishes, share)
    found = assign(wishes, limits)
    assert sum(len(wish.options) for wish in wishes.values()) > EXACT
    assert found.fits
    assert found.worth >= 0.99 * found.bound


@given(SEEDS, st.integers(2, 12), st.floats(0.2, 3.0))
@settings(max_examples=12, deadline=None)
def test_what_is_left_over_has_no_price(seed, count, share):
    wishes = cameras(seed, count)
    limits = limits_of(wishes, share)
    found = assign(wishes, {**limits, "mbps": 1e6})
    if found.bound is None:  # nothing fits, so nothing has a price
        assert not found.prices
        return
    assert found.prices["mbps"] == pytest.approx(0, abs=1e-9)
    assert all(price >= 0 for price in found.prices.values())


def test_who_could_have_more_is_told_what_it_lacks():
    wishes = {"a": Wish([Option(0.5, {"cpu": 1.0}, "little"), Option(0.9, {"cpu": 3.0}, "big")])}
    tight = {"cpu": 2.5}
    reason = why("a", wishes, tight, assign(wishes, tight))
    assert (reason.better.what, reason.binds, reason.lacking) == ("big", "cpu", pytest.approx(0.5))
    assert why("a", wishes, {"cpu": 4.0}, assign(wishes, {"cpu": 4.0})).better is None


@given(SEEDS, st.integers(2, 6), st.floats(0.3, 1.0), st.floats(0.2, 1.0), st.sampled_from([0.0, 0.02, 0.2]))
@settings(max_examples=15, deadline=None)
def test_a_new_plan_moves_no_more_than_one_from_nothing_and_loses_little(seed, count, share, less, most_lost):
    wishes = cameras(seed, count)
    limits = limits_of(wishes, share)
    now = assign(wishes, limits).plan
    changed = {**limits, "edge": less * limits["edge"]}
    free, found = assign(wishes, changed), replan(wishes, changed, now, most_lost=most_lost)
    assert found.fits == free.fits == fits(found.plan, changed)
    assert len(moved(now, found.plan)) <= len(moved(now, free.plan))
    if free.fits:
        assert found.worth >= (1 - most_lost) * free.worth - 1e-6


@given(SEEDS, st.integers(1, 6), st.floats(0.3, 1.5), st.floats(0.4, 1.5), st.floats(0, 0.1))
@settings(max_examples=30, deadline=None)
def test_a_plan_that_fits_stays_unless_another_is_worth_more(seed, count, share, more, most_lost):
    wishes = cameras(seed, count)
    limits = limits_of(wishes, share)
    now = assign(wishes, limits)
    changed = {name: more * limit for name, limit in limits.items()}
    found = replan(wishes, changed, now.plan, most_lost=most_lost)
    if fits(now.plan, changed):
        assert found.worth >= now.worth
        best = assign(wishes, changed)
        assert not moved(now.plan, found.plan) or now.worth < (1 - most_lost) * best.worth


@given(SEEDS, st.integers(1, 6), st.floats(0.3, 1.5))
@settings(max_examples=20, deadline=None)
def test_where_nothing_changed_nobody_moves(seed, count, share):
    wishes = cameras(seed, count)
    limits = limits_of(wishes, share)
    now = assign(wishes, limits)
    assert not moved(now.plan, replan(wishes, limits, now.plan).plan)


def test_cameras_that_come_and_go_move_no_others_while_there_is_room():
    wishes = cameras(3, 6)
    roomy = {"edge": 100.0, "cloud": 100.0, "mbps": 100.0}
    now = assign(wishes, roomy).plan
    fewer = {name: wish for name, wish in wishes.items() if name != "cam2"}
    assert not moved(now, replan(fewer | {"new": wishes["cam2"]}, roomy, now).plan)


@pytest.mark.timed
def test_five_hundred_cameras_take_seconds():
    wishes = cameras(1, 500)
    began = time.process_time()
    found = assign(wishes, limits_of(wishes, 0.4))
    assert found.worth >= 0.99 * found.bound
    assert time.process_time() - began < 15
