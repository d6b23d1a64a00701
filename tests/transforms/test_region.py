"""Boxes that stand in a part of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from tests.builders import boxes, frame
from vidpipe.core.answer import Answer, How
from vidpipe.transforms.base import Moment
from vidpipe.transforms.region import Region

LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]


def region(polygon=LEFT, anchor="feet"):
    made = Region()
    made.id, made.config = "region", Region.Config(polygon=polygon, anchor=anchor)
    return made


def found(*xyxy):
    detections = boxes(*[0] * len(xyxy))
    detections.xyxy = np.array(xyxy, np.float32).reshape(-1, 4)
    return Answer(detections, How.MEASURED, "big", 0)


MOMENT = Moment("cam", 0, 0.0, None, 100, 50, 0)


@pytest.mark.parametrize(
    ("polygon", "anchor", "xyxy", "stands"),
    [
        (LEFT, "feet", (10, 10, 20, 20), True),
        (LEFT, "feet", (60, 10, 70, 20), False),
        (LEFT, "feet", (40, 10, 60, 20), True),  # on the border
        ([[0, 0], [1, 0], [1, 0.5], [0, 0.5]], "feet", (10, 10, 20, 40), False),
        ([[0, 0], [1, 0], [1, 0.5], [0, 0.5]], "centre", (10, 10, 20, 40), True),
    ],
)
def test_a_box_stays_where_its_anchor_stands_inside(polygon, anchor, xyxy, stands):
    answer = found(xyxy)
    kept = region(polygon, anchor).apply(frame(size=(100, 50)), answer, MOMENT)
    assert (kept is None) == stands  # as it was
    if not stands:
        assert len(kept.detections) == 0
        assert len(answer.detections) == 1  # completed, not changed


def test_it_works_on_pictures_that_are_not_there():
    kept = region().apply(None, found((10, 10, 20, 20), (60, 10, 70, 20)), MOMENT)
    assert kept.detections.xyxy.tolist() == [[10, 10, 20, 20]]
