"""Matching the boxes of a whole clip at once, against the usual way, frame by frame."""

import numpy as np
import supervision as sv
from scipy.optimize import linear_sum_assignment

from vidpipe.accuracy.scores.box_score import count
from vidpipe.accuracy.series import Boxes, Series

FRAMES, EACH = 400, 15


def _series(shift):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 700, (FRAMES * EACH, 2)) + shift
    xyxy = np.hstack([corners, corners + rng.uniform(20, 60, (FRAMES * EACH, 2))])
    boxes = Boxes.of(np.repeat(np.arange(FRAMES), EACH), xyxy)
    return Series(("person",), 768, 576, np.arange(FRAMES) / 25, np.ones(FRAMES, bool), boxes)


def test_matching_keeps_up_with_the_plainest_loop(ratio):
    """Overlaps by supervision, an assignment by scipy: that knows no classes and nothing to be ignored."""
    found, wanted = _series(3.0), _series(0.0)
    frames = [np.split(series.boxes.xyxy, FRAMES) for series in (found, wanted)]

    def loop():
        for one, other in zip(*frames, strict=True):
            linear_sum_assignment(-sv.box_iou_batch(one, other))

    assert count(found, wanted).tp.sum() > FRAMES * EACH * 0.9
    assert ratio(lambda: count(found, wanted), loop, rounds=10) < 2
