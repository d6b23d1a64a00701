"""What validates was never near what was trained on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.stages.gate.split import FOLDS, GAP_S, fleeting, folds_in_time, visits


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(0, 10))
def test_no_visit_and_no_moment_lies_in_two_parts(shown, seed):
    rng = np.random.default_rng(seed)
    pts, there = np.cumsum(rng.uniform(0.05, 3, len(shown))), np.array(shown)
    fold, of = folds_in_time(pts, there), visits(pts, there)
    for visit in range(of.max() + 1):
        assert len(set(fold[of == visit]) - {-1}) <= 1
    known = np.flatnonzero(fold >= 0)
    changes = np.flatnonzero(np.diff(fold[known]))
    for change in changes:
        assert pts[known[change + 1]] - pts[known[change]] >= GAP_S / 2


def test_each_part_has_seen_all_hours():
    pts = np.arange(0, 3600, 1.0)
    there = pts % 120 < 5
    fold = folds_in_time(pts, there)
    assert (fold >= 0).mean() > 0.98
    for part in range(FOLDS):
        assert 0.25 < (fold == part).mean() < 0.42
        assert np.ptp(pts[fold == part]) > 0.6 * 3600
        assert there[fold == part].any()


def test_visits_are_told_apart_by_a_gap():
    pts = np.arange(12.0)
    there = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0], bool)
    assert visits(pts, there).tolist() == [-1, 0, 0, -1, 0, -1, -1, 1, 1, -1, -1, -1]
    assert visits(pts, np.zeros(12, bool)).tolist() == [-1] * 12


def test_what_is_seen_for_less_than_half_a_second_is_fleeting():
    pts = np.arange(12) * 0.25
    visit = np.array([-1, 0, -1, -1, 1, 1, -1, -1, 2, 2, 2, -1])
    assert np.flatnonzero(fleeting(pts, visit)).tolist() == [1, 4, 5]
