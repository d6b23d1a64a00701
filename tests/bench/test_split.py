"""Which frames are fitted on, and which are scored."""

from dataclasses import replace

import numpy as np
import pytest

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.clip import split
from vidpipe.core.errors import ConfigError


def clip(frames, fps=10.0, start_s=0.0):
    pts = start_s + np.arange(frames) / fps
    return Series(("person",), 64, 48, pts, np.ones(frames, bool), Boxes.of([], []))


@pytest.mark.parametrize(
    ("frames", "fit", "fitted", "scored"),
    [
        (800, 0.4, (0, 320, 0.0, 32.0), (320, 800, 32.0, 80.0)),
        (800, 0.0, None, (0, 800, 0.0, 80.0)),
        (125, 0.4, (0, 50, 0.0, 5.0), (50, 125, 5.0, 12.5)),
    ],
)
def test_parts_meet_and_cover_the_clip(frames, fit, fitted, scored):
    parts = split("yard", clip(frames), fit)
    told = [part and (part.start, part.stop, round(part.start_s, 6), round(part.end_s, 6)) for part in parts]
    assert told == [fitted, scored]


@pytest.mark.parametrize(
    ("frames", "fit", "says"),
    [
        (84, 0.4, r"yard is too short to split: of its 8\.4 s --fit 0\.4 leaves 3\.4 s to fit on, and 5 s"),
        (100, 0.6, r"yard is too short to split: of its 10\.0 s --fit 0\.6 leaves 4\.0 s to score"),
        (30, 0.0, r"yard is too short to split: of its 3\.0 s --fit 0 leaves 3\.0 s to score"),
        (1, 0.4, "yard is too short"),
    ],
)
def test_a_short_clip_is_told_with_both_lengths(frames, fit, says):
    with pytest.raises(ConfigError, match=says):
        split("yard", clip(frames), fit)


def test_rate_is_not_misled_by_a_gap():
    series = clip(100, fps=25)
    late = np.where(np.arange(100) >= 50, series.pts + 60, series.pts)
    assert replace(series, pts=late).fps == pytest.approx(25)
