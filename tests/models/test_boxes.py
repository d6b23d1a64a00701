"""Boxes: suppression against its definition, placing and back, the area of overlap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.models import boxes as of
from vidpipe.models.boxes import best_first, have_area, over_smaller, suppress
from vidpipe.models.letterbox import Letterbox, LetterboxMode

corner = st.integers(0, 60)
side = st.integers(1, 40)


@st.composite
def candidates(draw):
    """Up to 12 boxes with distinct scores and two classes."""
    rows = draw(st.lists(st.tuples(corner, corner, side, side, st.integers(0, 1)), max_size=12))
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    scores = draw(st.permutations([np.float32(0.05 * (i + 1)) for i in range(len(rows))]))
    return boxes, np.array(scores, np.float32), np.array([row[4] for row in rows], np.int64)


def iou(a, b):
    overlap = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return overlap / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - overlap)


@given(candidates())
def test_suppression_is_greedy_and_by_class(found):
    boxes, scores, classes = found
    expected: list[int] = []
    for i in np.argsort(-scores):
        if all(classes[i] != classes[k] or iou(boxes[i], boxes[k]) <= 0.5 for k in expected):
            expected.append(int(i))
    assert suppress(boxes, scores, classes, 0.5).tolist() == expected


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ((2, 2, 4, 4), 1.0),  # inside
        ((0, 0, 10, 10), 1.0),  # the same
        ((5, 0, 15, 10), 0.5),
        ((8, 8, 12, 12), 0.25),
        ((10, 0, 20, 10), 0.0),  # touching
        ((30, 30, 40, 40), 0.0),
        ((5, 5, 5, 9), 0.0),  # a line has no area
    ],
)
def test_intersection_over_the_smaller_area(other, share):
    box, others = np.array((0, 0, 10, 10), np.float32), np.array([other], np.float32)
    assert over_smaller(box, others) == pytest.approx([share])


@pytest.mark.parametrize(
    ("first", "second", "intersection", "union", "over_first"),
    [
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), 100, 100, 1, id="the same"),
        pytest.param((0, 0, 10, 10), (5, 5, 25, 15), 25, 275, 0.25, id="a corner"),
        pytest.param((2, 2, 4, 4), (0, 0, 10, 10), 4, 100, 1, id="within"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0, 200, 0, id="side by side"),
        pytest.param((0, 0, 10, 10), (20, 20, 30, 30), 0, 200, 0, id="apart both ways"),
        pytest.param((5, 5, 5, 5), (5, 5, 5, 5), 0, 1, 0, id="without area"),
    ],
)
def test_overlap_of_pairs(first, second, intersection, union, over_first):
    one, other = np.array([first], float), np.array([second, second], float)
    assert of.intersection(one, other).tolist() == [intersection] * 2
    assert of.iou(one, other).tolist() == [intersection / union] * 2
    assert of.over_first(one, other).tolist() == [over_first] * 2


def test_equal_scores_keep_their_order():
    assert best_first(np.array([0.5, 0.9, 0.5, 0.9], np.float32)).tolist() == [1, 3, 0, 2]


def test_lines_have_no_area():
    boxes = np.array([(0, 0, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0), (2, 2, 1, 1)], np.float32)
    assert have_area(boxes).tolist() == [True, False, False, False]


@settings(deadline=None)
@given(st.sampled_from(LetterboxMode), st.integers(8, 300), st.integers(8, 300), st.data())
def test_what_is_seen_in_the_input_is_found_in_the_picture(mode, width, height, data):
    """A bright rectangle, found in the input by its pixels, comes back to where it is in the picture."""
    x0, y0 = data.draw(st.integers(0, width - 4)), data.draw(st.integers(0, height - 4))
    x1, y1 = data.draw(st.integers(x0 + 4, width)), data.draw(st.integers(y0 + 4, height))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y0:y1, x0:x1] = 255
    target = np.zeros((192, 256, 3), np.uint8)

    letterbox = Letterbox(mode, target)
    letterbox.put(np.zeros((33, 77, 3), np.uint8))  # another shape before must leave no trace
    placement = letterbox.put(picture)
    rows, columns = np.nonzero(target[..., 0] > 127)

    pixel = 1 / placement.scale[:2].min()  # one of the input, in the picture's
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(placement.back(seen), [(x0, y0, x1, y1)], atol=pixel + 1)


@pytest.mark.parametrize(
    ("mode", "grey_rows"),
    [(LetterboxMode.CENTRE, [*range(8), *range(24, 32)]), (LetterboxMode.CORNER, [*range(16, 32)])],
)
def test_where_the_grey_lies(mode, grey_rows):
    target = np.zeros((32, 32, 3), np.uint8)
    Letterbox(mode, target).put(np.full((100, 200, 3), 255, np.uint8))
    assert np.flatnonzero((target == 114).all(axis=(1, 2))).tolist() == grey_rows
