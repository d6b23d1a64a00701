"""When two sets of boxes say the same."""

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.statistics.agreement import compare, match, match_by_class


def boxes(*rows):
    """Each (class, x): a box 10 wide and high."""
    return sv.Detections(
        xyxy=np.array([[x, 0, x + 10, 10] for _, x in rows], np.float32).reshape(-1, 4),
        confidence=np.full(len(rows), 0.5, np.float32),
        class_id=np.array([label for label, _ in rows], int),
    )


ROW = [(0, 20 * index) for index in range(10)]


@pytest.mark.parametrize(
    ("found", "wanted", "agrees", "wrong"),
    [
        ([], [], True, set()),
        ([(0, 0)], [], False, {0}),
        ([], [(1, 0)], False, {1}),
        ([(0, 0)], [(0, 2)], True, set()),
        ([(0, 0)], [(0, 6)], False, {0}),  # IoU 0.25
        ([(0, 0)], [(1, 0)], False, {0, 1}),
        ([(0, 0), (0, 1)], [(0, 0)], False, {0}),  # one-to-one
        (ROW[:4], ROW[:3], False, {0}),
        (ROW[:6], ROW[:5], True, set()),
        (ROW, ROW[:8], False, {0}),
        ([*ROW, (1, 500)], ROW, True, {1}),  # the frame agrees, the class by itself does not
    ],
)
def test_compare(found, wanted, agrees, wrong):
    assert compare(boxes(*found), boxes(*wanted)) == (agrees, wrong)


def test_matching_is_the_best_there_is():
    """Greedy by overlap would pair the middle two and leave the others alone."""
    assert compare(boxes((0, 0), (0, 3)), boxes((0, 3), (0, 6))).agrees


boxes_and_classes = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2)), max_size=8)


@given(boxes_and_classes, boxes_and_classes)
def test_law_a_whole_match_is_that_of_its_classes_together(one, other):
    """Boxes of 20 pixels, crowded: which of them are paired is a choice."""
    sides = []
    for rows in (one, other):
        low = np.array([row[:2] for row in rows], float).reshape(-1, 2)
        sides.append((np.concatenate([low, low + 20], axis=1), np.array([row[2] for row in rows], int)))
    classes = match_by_class(*sides[0], *sides[1])
    assert list(classes) == sorted({row[2] for row in one + other})
    whole = match(*(sv.Detections(xyxy=boxes, class_id=labels) for boxes, labels in sides))
    assert whole.right == sum(matched.right for matched in classes.values())
    assert whole.boxes == sum(matched.boxes for matched in classes.values()) == len(one) + len(other)
