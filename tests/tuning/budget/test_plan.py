"""Options for all streams under limits. What must hold, for any streams, options and limits:

- the exact plan keeps to the limits, and no combination of options that does is worth more;
- the quick plan keeps to them wherever any does, and is worth nearly as much;
- an option that another beats is never missed.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.tuning.budget.plan import Option, Wish, exact, fits, greedy, least, unbeaten, worth

ACCURACIES = st.floats(0, 1, width=32)
CPU = st.floats(0.015625, 1, width=32)
MBPS = st.sampled_from([0.0, 0.0, 1.0, 2.5, 8.0])
OPTIONS = st.builds(lambda accuracy, cpu, mbps: Option(accuracy, {"cpu": cpu, "mbps": mbps}), ACCURACIES, CPU, MBPS)
WISHES = st.builds(Wish, st.lists(OPTIONS, min_size=1, max_size=5), st.sampled_from([0.5, 1.0, 1.0, 3.0]))
STREAMS = st.lists(WISHES, min_size=1, max_size=4).map(lambda each: dict(zip("abcd", each, strict=False)))
LIMITS = st.fixed_dictionaries({"cpu": st.floats(0.0625, 3, width=32), "mbps": st.floats(1, 30, width=32)})


def every(wishes):
    """All plans that there are."""
    return [dict(zip(wishes, chosen, strict=True)) for chosen in product(*(wish.options for wish in wishes.values()))]


@given(STREAMS, LIMITS)
@settings(max_examples=60, deadline=None)
def test_no_plan_that_fits_is_worth_more_than_the_exact_one(wishes, limits):
    able = [plan for plan in every(wishes) if fits(plan, limits)]
    found = exact(wishes, limits)
    assert (found is None) == (not able)
    if found is not None:
        assert fits(found, limits)
        assert worth(wishes, found) == pytest.approx(max(worth(wishes, plan) for plan in able), abs=1e-3)


def streams(rng, count):
    """Streams of two to eight options, each of which is dearer and more accurate than the one before."""
    return {f"stream{number}": Wish(frontier(rng), rng.choice([0.5, 1.0, 1.0, 2.0])) for number in range(count)}


def frontier(rng):
    options, cpu, lost = [], 0.02, 0.5
    for _ in range(rng.integers(2, 9)):
        cpu, lost = cpu + rng.uniform(0.02, 0.5), lost * rng.uniform(0.7, 0.99)
        options.append(Option(1 - lost, {"cpu": cpu, "mbps": rng.choice([0.0, 0.0, 1.0, 2.5, 8.0])}))
    return options


@given(st.integers(0, 2**32), st.integers(1, 12), st.floats(0.1, 1.0), st.floats(1.0, 4.0))
@settings(max_examples=80, deadline=None)
def test_the_quick_plan_is_worth_nearly_as_much(seed, count, tight, mbps):
    wishes = streams(np.random.default_rng(seed), count)
    lowest, highest = (sum(wish.options[end].demand["cpu"] for wish in wishes.values()) for end in (0, -1))
    limits = {"cpu": lowest + tight * (highest - lowest), "mbps": mbps * count}
    best, quick = exact(wishes, limits), greedy(wishes, limits)
    assert best is not None or not fits(quick, limits)
    if fits(quick, limits):
        assert worth(wishes, quick) >= 0.95 * worth(wishes, best)


@given(st.integers(0, 2**32), st.integers(1, 30), st.floats(0.02, 1.0))
@settings(max_examples=80, deadline=None)
def test_with_one_resource_the_quick_plan_fits_wherever_any_does(seed, count, tight):
    wishes = streams(np.random.default_rng(seed), count)
    lowest, highest = (sum(wish.options[end].demand["cpu"] for wish in wishes.values()) for end in (0, -1))
    assert fits(greedy(wishes, {"cpu": tight * highest}), {"cpu": tight * highest}) == (tight * highest >= lowest)


@given(STREAMS, LIMITS)
@settings(max_examples=40, deadline=None)
def test_what_others_beat_is_not_missed(wishes, limits):
    lean = {name: Wish(unbeaten(wish.options), wish.weight) for name, wish in wishes.items()}
    best, of_all = exact(lean, limits), exact(wishes, limits)
    assert (best is None) == (of_all is None)
    if best is not None:
        assert worth(wishes, best) == pytest.approx(worth(wishes, of_all), abs=1e-3)


def test_the_heavier_stream_gets_what_only_one_can_have():
    options = [Option(0.5, {"cpu": 0.1}), Option(0.9, {"cpu": 0.8})]
    for solve in (exact, greedy):
        plan = solve({"a": Wish(options), "b": Wish(options, 2.0)}, {"cpu": 1.0})
        assert [plan[name].accuracy for name in "ab"] == [0.5, 0.9]


def test_the_least_of_one_resource_keeps_to_the_limits_of_the_others():
    frugal, local = Option(0.5, {"cpu": 0.1, "mbps": 9.0}), Option(0.5, {"cpu": 0.7})
    wishes = {"a": Wish([frugal, local])}
    assert least(wishes, "cpu", {"cpu": 0.01, "mbps": 10.0}) == {"a": frugal}
    assert least(wishes, "cpu", {"cpu": 0.01, "mbps": 5.0}) == {"a": local}
    assert least({"a": Wish([frugal])}, "cpu", {"mbps": 5.0}) is None
