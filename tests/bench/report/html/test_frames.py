"""Which frames are shown, and which of their boxes both sides have."""

import numpy as np
import pytest

from tests.bench.builders import at, series
from vidpipe.accuracy.scores.box_score import Counts
from vidpipe.bench.report.html.frames import sides, worst


@pytest.mark.parametrize(
    ("false", "missed", "shown"),
    [
        ({}, {}, []),
        ({3: 1}, {60: 2}, [60, 3]),
        ({3: 1, 60: 1}, {}, [3, 60]),  # of equals the earlier
        ({10: 2}, {10: 2, 50: 3}, [10, 50]),  # false and missed count alike
        ({10: 3, 29: 2, 30: 1}, {}, [10, 30]),  # 29 is but 1.9 s later
        ({10: 1, 25: 3, 40: 2}, {}, [25]),  # on both sides
        (dict.fromkeys(range(200), 1), {}, [0, 20, 40, 60, 80, 100]),  # six at most
    ],
    ids=["none", "worst first", "equals", "both kinds", "after", "before and after", "many"],
)
def test_the_worst_frames_two_seconds_apart(false, missed, shown):
    """Ten frames a second, of two classes; the errors are those of the second."""
    fp, fn = (np.zeros((2, 200), np.int64) for _ in range(2))
    for counts, wrong in ((fp, false), (fn, missed)):
        for frame, count in wrong.items():
            counts[1, frame] = count
    assert worst(Counts(np.ones_like(fp), fp, fn), np.arange(200) / 10) == shown


def test_an_ignored_box_is_on_neither_side_and_makes_nothing_false():
    truth = series(2, at(1, 10), at(1, 100), at(1, 200, ignored=True))
    published = series(2, at(1, 11), at(1, 201), at(1, 300), at(0, 400))
    reference, pipeline = sides(truth, published, 1)
    assert (reference.boxes.xyxy[:, 0].tolist(), reference.agreed.tolist()) == ([10, 100], [True, False])
    assert (pipeline.boxes.xyxy[:, 0].tolist(), pipeline.agreed.tolist()) == ([11, 201, 300], [True, True, False])
