"""The newest answer at each moment, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.builders import answers, at, series
from vidpipe.accuracy.scores.box_score import box_score, count
from vidpipe.accuracy.scores.staleness import newest
from vidpipe.accuracy.series import Answers

NAN = float("nan")
START = 1_790_000_000.0  # UTC seconds of today's size: a millisecond must not get lost in them
CAPTURED = START + np.arange(6) / 10

# name: seconds after START at which the answer to each of 6 frames was published, newest answer at each capture
MOMENTS = {
    "at once": ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, 2, 3, 4, 5]),
    "before the next": ([0.09, 0.19, 0.29, 0.39, 0.49, 0.59], [None, 0, 1, 2, 3, 4]),
    "three frames late": ([0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [None, None, None, 0, 1, 2]),
    "out of order": ([0.0, 0.35, 0.15, 0.3, 0.45, 0.9], [0, 0, 2, 3, 3, 4]),
    "in one batch": ([0.25] * 6, [None, None, None, 5, 5, 5]),
    "none yet": ([9.0] * 6, [None] * 6),
    "one never": ([0.0, NAN, 0.2, NAN, 0.4, 0.5], [0, 0, 2, 2, 4, 5]),
}


def published(after_s: list[float]) -> Answers:
    """Frame i has i boxes, at x = 100 i."""
    rows = [at(frame, 100 * frame, y=50 * box) for frame in range(6) for box in range(frame)]
    times = [START + second for second in after_s]
    return answers(series(6, *rows), captured_at=CAPTURED.tolist(), published_at=times)


@pytest.mark.parametrize(("after_s", "expected"), MOMENTS.values(), ids=MOMENTS.keys())
def test_newest(after_s, expected):
    seen = newest(published(after_s), CAPTURED + 1e-6)

    assert seen.frames == 6
    for frame, answer in enumerate(expected):
        assert seen.boxes.xyxy[seen.boxes.frame == frame, 0].tolist() == [100.0 * (answer or 0)] * (answer or 0)


def test_published_at_the_very_moment_counts():
    seen = newest(published([0.0] * 6), np.full(6, START))
    assert len(seen.boxes) == 30


def test_a_delay_of_three_frames_costs_what_moves_away_meanwhile():
    """A box 20 px wide moves 2 px a frame, so 6 in three: IoU 14/26, found; at 3 px a frame 11/29, lost."""
    for speed, f1 in ((2, 2 * 7 / (7 + 10)), (3, 0.0)):
        moving = series(10, *(at(frame, speed * frame) for frame in range(10)))
        captured = START + np.arange(10) / 10
        late = answers(moving, captured_at=captured.tolist(), published_at=(captured + 0.3).tolist())
        assert box_score(count(newest(late, captured + 1e-6), moving), moving.pts).f1 == pytest.approx(f1)


@pytest.mark.parametrize("moments", [CAPTURED[:5], np.where(CAPTURED > START, CAPTURED, NAN)])
def test_every_frame_needs_its_moment(moments):
    with pytest.raises(ValueError, match="6 frames need the moment of each, and 5 are known"):
        newest(published([0.0] * 6), moments)
