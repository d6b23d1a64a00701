"""What of a run another side lacks, how frames share columns, and the colour of a source."""

import numpy as np
import pytest

from tests.bench.builders import answers, series
from vidpipe.bench.report.html.charts import COLUMNS, GAP, MISSED, TONES, shares, tone, without

STAGES = ("difference", "little", "big")


@pytest.mark.parametrize(
    ("these", "others", "left"),
    [
        ([(0, 4)], [], [(0, 4)]),
        ([(0, 4)], [(0, 4)], []),
        ([(0, 4)], [(1, 2)], [(0, 1), (2, 4)]),
        ([(0, 4)], [(0, 1), (3, 4)], [(1, 3)]),
        ([(1, 2), (5, 6)], [(0, 8)], []),
        ([(1, 3), (5, 7)], [(2, 6)], [(1, 2), (6, 7)]),
        ([(1, 2)], [(0, 1), (2, 3)], [(1, 2)]),
        ([], [(0, 1)], []),
    ],
    ids=["nothing", "the same", "inside", "both ends", "over all", "between", "beside", "none"],
)
def test_parts_that_nobody_else_covers(these, others, left):
    assert without(these, others) == left


@pytest.mark.parametrize("frames", [1, 2, COLUMNS, COLUMNS + 1, 18_000])
def test_columns_are_shared_among_those_who_answered(frames):
    """Every fourth frame is big's: every frame lies in one column, and big has a quarter of each that has several."""
    by = ["big" if frame % 4 == 0 else "little" for frame in range(frames)]
    sources = [("big", "measured"), ("little", "measured")]
    first, parts = shares(answers(series(frames), by=by), sources)
    assert (first[0], first[-1]) == (0, frames)
    assert len(first) - 1 == min(frames, COLUMNS)
    held = np.diff(first)
    assert held.min() >= 1
    assert held.max() - held.min() <= 1
    np.testing.assert_allclose(parts.sum(axis=0), 1)
    np.testing.assert_allclose((parts * held).sum(axis=1), [by.count("big"), by.count("little")])


@pytest.mark.parametrize(
    ("source", "stages", "style"),
    [
        (("difference", "reused"), STAGES, TONES[0]),
        (("big", "measured"), STAGES, TONES[5]),
        (("big", "measured"), ("big",), TONES[5]),
        (("big", "failed"), STAGES, MISSED),
        (("source", "dropped"), STAGES, MISSED),
        (("little", "skipped"), STAGES, GAP),
        (("source", "reused"), STAGES, GAP),
    ],
)
def test_colours(source, stages, style):
    assert tone(source, stages) == style
