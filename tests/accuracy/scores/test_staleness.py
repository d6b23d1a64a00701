"""Ages of answers, by hand: 10 frames a second."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.builders import answers, series
from vidpipe.accuracy.figures import Staleness
from vidpipe.accuracy.scores.staleness import staleness

# name: as_of of each frame, mean, 95th percentile, most, fresh
CASES = {
    "each looked at": ([0, 1, 2, 3], 0.0, 0.0, 0.0, 1.0),
    "every second": ([0, 0, 2, 2], 0.05, 0.1, 0.1, 0.5),
    "nothing yet": ([-1, -1, -1, -1], 0.15, 0.285, 0.3, 0.0),  # 0, .1, .2, .3: 95 % of the way is 2.85 steps
    "the first held": ([0] * 21, 1.0, 1.9, 2.0, 1 / 21),
}


@pytest.mark.parametrize(("as_of", "mean", "p95", "most", "fresh"), CASES.values(), ids=CASES.keys())
def test_staleness(as_of, mean, p95, most, fresh):
    found = staleness(answers(series(len(as_of)), as_of=as_of))
    assert found.model_dump() == pytest.approx(Staleness(mean_s=mean, p95_s=p95, max_s=most, fresh=fresh).model_dump())


def test_a_gap_in_the_recording_counts_as_the_time_that_it_is():
    held = answers(series(3), as_of=[0, 0, 0])
    held.series.pts[:] = np.array([7.0, 7.1, 9.0])
    assert staleness(held).max_s == pytest.approx(2.0)
