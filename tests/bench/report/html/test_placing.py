"""Labels of points: none leaves the plot, none covers a point or another label while there is room."""

import itertools

import numpy as np
import pytest

from vidpipe.bench.report.html.placing import Rect, place

PLOT = Rect(50, 10, 950, 420)


@pytest.mark.parametrize(
    "points",
    [
        [(500.0, 200.0)],
        [(50.0, 10.0), (950.0, 10.0), (50.0, 420.0), (950.0, 420.0)],
        [(500.0, 200.0)] * 8,
        [(400.0 + 9 * index, 200.0) for index in range(14)],
        list(map(tuple, np.random.default_rng(1).uniform((480, 150), (620, 240), (14, 2)))),
    ],
    ids=["one", "corners", "all at one place", "a row", "a crowd"],
)
def test_labels_keep_clear(points):
    labels = place(points, [(110.0, 16.0)] * len(points), PLOT)
    rects = [label.rect for label in labels]
    for rect in rects:
        assert PLOT.x0 <= rect.x0 < rect.x1 <= PLOT.x1
        assert PLOT.y0 <= rect.y0 < rect.y1 <= PLOT.y1
        assert not any(rect.x0 < x < rect.x1 and rect.y0 < y < rect.y1 for x, y in points)
    assert all(one.shared(other) == 0 for one, other in itertools.combinations(rects, 2))


def test_the_first_gets_the_place_beside_its_point():
    first, second = place([(500.0, 200.0), (504.0, 200.0)], [(60.0, 16.0)] * 2, PLOT)
    assert not first.far
    assert first.rect.shared(second.rect) == 0


def test_what_is_taken_is_kept_clear_where_that_is_cheap():
    line = Rect(505, 199, 600, 201)
    (label,) = place([(500.0, 200.0)], [(60.0, 16.0)], PLOT, [line])
    assert label.rect.shared(line) == 0
