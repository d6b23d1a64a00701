"""The camera graph. What must hold of any transitions: shares of a camera add up to no more than one, intervals hold
them, observations fade, and a path of which little is known stays open.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.across.graph import HORIZON_S, OUTSIDE, CameraGraph, Transition, Window

CAMERAS = ("door", "gate", "yard")
TRANSITIONS = st.lists(
    st.builds(
        Transition,
        st.sampled_from(CAMERAS),
        st.sampled_from([*CAMERAS, None]),
        st.floats(0, 1e6),
        st.floats(-5, 600),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(TRANSITIONS, st.floats(0, 1e6))
def test_shares(transitions, later):
    graph = CameraGraph(CAMERAS, transitions, 1e6 + later)
    for begin in CAMERAS:
        paths = [graph.path(begin, end) for end in CAMERAS]
        assert sum(path.share for path in paths) <= 1 + 1e-9
        assert sum(path.likely for path in paths) < 1
        for path in paths:
            assert 0 <= path.low <= path.share + 1e-9
            assert path.share - 1e-9 <= path.high <= 1
            assert path.window.start_s < path.window.end_s
            assert path.count == sum((each.begin, each.end) == (begin, path.end) for each in transitions)
        windows = graph.windows(begin, 0.05)
        assert 0 <= graph.beyond(begin, windows) <= 1
        assert graph.beyond(begin, graph.windows(begin, 0.0, 3.0)) <= graph.beyond(begin, windows) + 1e-9
    assert sum(graph.left(camera) for camera in CAMERAS) == len(transitions)


@settings(deadline=None)
@given(TRANSITIONS)
def test_what_is_old_enough_is_as_if_never_seen(transitions):
    forgotten = CameraGraph(CAMERAS, transitions, 1e6 + 1e4, half_life_s=10.0)
    nothing = CameraGraph(CAMERAS, [], 0.0)
    for begin in CAMERAS:
        for end in CAMERAS:
            assert forgotten.path(begin, end).likely == pytest.approx(nothing.path(begin, end).likely)
            assert forgotten.path(begin, end).high > 0.99


def window_of(times) -> Window:
    return (
        CameraGraph(CAMERAS, [Transition("gate", "yard", 0.0, each) for each in times], 0.0).path("gate", "yard").window
    )


@settings(deadline=None)
@given(st.lists(st.floats(10, 200), min_size=1, max_size=80), st.integers(2, 5))
def test_a_window_holds_what_was_seen_and_is_no_longer_where_the_same_was_seen_more_often(times, often):
    window = window_of(times)
    inside = [each for each in times if window.start_s <= each <= window.end_s]
    assert len(inside) >= (1 - OUTSIDE) * len(times) - 1e-9
    assert window.start_s >= 0
    assert window.end_s <= HORIZON_S
    more = window_of(times * often)
    assert more.end_s - more.start_s <= window.end_s - window.start_s + 1e-6


def test_one_passage_leaves_the_window_open():
    assert window_of([30.0]) == Window(0.0, HORIZON_S)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        *[(shape, count) for shape in ("log-normal", "normal", "gamma", "even") for count in (4, 20, 200)],
        # Of a mode that nobody has been seen in, which is every second time of four, no tail tells.
        *[("two modes", count) for count in (20, 200)],
    ],
)
def test_the_next_ones_lie_within_the_window_whatever_the_times_are_like(shape, count):
    """The share outside is no more than promised, on average over graphs that were learnt from so many."""
    rng = np.random.default_rng(count)
    draw = {
        "log-normal": lambda size: rng.lognormal(4, 0.4, size),
        "normal": lambda size: rng.normal(60, 10, size),
        "gamma": lambda size: rng.gamma(2.0, 20.0, size),
        "even": lambda size: rng.uniform(20, 90, size),
        "two modes": lambda size: np.where(rng.random(size) < 0.8, rng.normal(40, 5, size), rng.normal(200, 20, size)),
    }[shape]
    outside = []
    for _ in range(60):
        window = window_of(draw(count).clip(0.1, HORIZON_S))
        later = draw(500)
        outside.append(float(((later < window.start_s) | (later > window.end_s)).mean()))
    assert np.mean(outside) < OUTSIDE


@settings(deadline=None)
@given(st.integers(0, 3000))
def test_that_nobody_is_seen_elsewhere_is_known_of_cameras_that_many_have_left(count):
    """With 95 % confidence it is under 2 % from 133 on, as of Wilson's interval, one-sided."""
    graph = CameraGraph(CAMERAS, [Transition("gate", "yard", 0.0, 30.0)] * count, 0.0)
    beyond = graph.beyond("gate", {"yard": Window(0.0, 60.0)})
    assert (beyond < 0.02) == (count > 132)
    assert beyond > 0
    assert graph.beyond("gate", {}) == pytest.approx(1.0)


def test_a_path_closes_by_those_who_took_others_and_opens_by_those_who_take_it():
    taken = [Transition("gate", "yard", 0.0, 30.0)] * 60
    assert set(CameraGraph(CAMERAS, [], 0.0).windows("gate", 0.02)) == set(CAMERAS)
    assert set(CameraGraph(CAMERAS, taken, 0.0).windows("gate", 0.02)) == {"yard"}
    passages = next(
        count
        for count in range(1, 20)
        if "door"
        in CameraGraph(CAMERAS, [*taken, *[Transition("gate", "door", 0.0, 50.0)] * count], 0.0).windows("gate", 0.02)
    )
    assert passages == 1
    week = [each._replace(at=-7 * 86400.0) for each in taken]
    fewer = [*week, *[Transition("gate", "door", 0.0, 50.0)] * (passages - 1)]
    assert "door" in CameraGraph(CAMERAS, fewer, 0.0).windows("gate", 0.02), "old observations count half"


def test_a_looser_window_is_longer_and_not_before_the_subject_has_left():
    graph = CameraGraph(CAMERAS, [Transition("gate", "yard", 0.0, each) for each in (220.0, 230.0, 240.0) * 20], 0.0)
    (strict,) = graph.windows("gate", 0.02).values()
    (looser,) = graph.windows("gate", 0.05, 2.0).values()
    assert looser.start_s < strict.start_s < strict.end_s < looser.end_s
    (loosest,) = graph.windows("gate", 0.05, 100.0).values()
    assert loosest == Window(0.0, graph.horizon_s)


def test_ways_by_which_alarms_join_are_known_well():
    """One who has gone it tells neither a share nor a time; a way of few of many is none, nor is one back again."""
    rng = np.random.default_rng(0)
    often = [Transition("gate", "yard", 0.0, took_s) for took_s in rng.normal(40, 5, 200)]
    rare = [Transition("gate", "shop", 0.0, 60.0 + n) for n in range(3)]
    back = [Transition("gate", "gate", 0.0, 30.0 + n) for n in range(40)]
    once = [Transition("shop", "yard", 0.0, 30.0)]
    graph = CameraGraph(["gate", "yard", "shop"], [*often, *rare, *back, *once], 0.0)
    assert [(path.begin, path.end) for path in graph.sure(0.025)] == [("gate", "yard")]
    assert {(path.begin, path.end) for path in graph.paths()} == {
        ("gate", "yard"),
        ("gate", "shop"),
        ("gate", "gate"),
        ("shop", "yard"),
    }
