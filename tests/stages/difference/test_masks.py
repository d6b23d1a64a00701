"""Restless parts are proposed as masks, unless something that matters has been there."""

from __future__ import annotations

import numpy as np

from vidpipe.stages.difference.masks import propose


def test_a_clock_and_a_tree_are_proposed_as_two_rectangles():
    usual = np.ones((10, 10), np.float32)
    usual[9, 8:] = 100
    usual[:3, :2] = 50
    clock_or_tree = sorted(propose(usual, np.zeros((10, 10), bool)), key=lambda found: found.restless)
    assert [found.polygon for found in clock_or_tree] == [
        [(0.0, 0.0), (0.2, 0.0), (0.2, 0.3), (0.0, 0.3)],
        [(0.8, 0.9), (1.0, 0.9), (1.0, 1.0), (0.8, 1.0)],
    ]
    assert [found.restless for found in clock_or_tree] == [50, 100]


def test_where_things_pass_nothing_is_proposed():
    usual = np.ones((10, 10), np.float32)
    usual[4, 2:8] = 100
    touched = np.zeros((10, 10), bool)
    touched[4, 5] = True
    polygons = [found.polygon for found in propose(usual, touched)]
    assert polygons == [
        [(0.2, 0.4), (0.5, 0.4), (0.5, 0.5), (0.2, 0.5)],
        [(0.6, 0.4), (0.8, 0.4), (0.8, 0.5), (0.6, 0.5)],
    ]
