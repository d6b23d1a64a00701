"""What of a run another side lacks, how frames share columns, and the colour of a source."""

import numpy as np
import pytest

from vidpipe.bench.report.html.timeline import COLUMNS, columns, tone, without

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
def test_every_frame_lies_in_one_column(frames):
    edges = columns(frames)
    assert (edges[0], edges[-1]) == (0, frames)
    assert len(edges) - 1 == min(frames, COLUMNS)
    held = np.diff(edges)
    assert held.min() >= 1
    assert held.max() - held.min() <= 1


@pytest.mark.parametrize(
    ("source", "stages", "style"),
    [
        (("difference", "reused"), STAGES, "tone0"),
        (("big", "measured"), STAGES, "tone5"),
        (("big", "measured"), ("big",), "tone5"),
        (("big", "failed"), STAGES, "fault"),
        (("source", "dropped"), STAGES, "fault"),
        (("little", "skipped"), STAGES, "gap"),
        (("source", "reused"), STAGES, "gap"),
    ],
)
def test_colours(source, stages, style):
    assert tone(source, stages) == style
