"""The rows of a clip as text: what stands in each cell, whose footnote is which, and which signs are explained."""

import pytest

from tests.bench.report.figures import UNDEFINED, accuracy, around, big, boxes, candidate, clip, cost, pipeline
from vidpipe.accuracy.figures import TrackScore
from vidpipe.bench.figures import ReferenceFigures, Spread
from vidpipe.bench.report.candidate_table import COST, LABELS, Cell, candidate_table

ZERO = Spread(median=0.0, low=0.0, high=0.0)
ONCE = Spread(median=0.2, low=0.2, high=0.2)
DASH = "- undefined: there was nothing to count"
DEARER = "x less under 1: more CPU than the big model takes"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (Cell("0.312"), "0.312"),
        (Cell("0.312", "±4 %"), "0.312 ±4 %"),
        (Cell("0.943", "0.921 to 0.960"), "0.943 (0.921 to 0.960)"),
    ],
)
def test_a_cell_in_one_line(cell, said):
    assert str(cell) == said


@pytest.mark.parametrize(
    ("own", "cells"),
    [
        (
            pipeline(),
            [("0.200", "±2 %"), "3.0", ("0.930", "0.910 to 0.950"), "0.920", "0.950", "0.30", "640"],
        ),
        (
            pipeline(cost=cost(ONCE, peak_pss_mb=around(12_345.6))),
            ["0.200", "3.0", ("0.930", "0.910 to 0.950"), "0.920", "0.950", "0.30", "12,346"],
        ),
        (
            pipeline(agreement=accuracy(0.9).model_copy(update={"boxes": boxes(0.9).model_copy(update={"low": None})})),
            [("0.200", "±2 %"), "3.0", "0.900", "0.890", "0.950", "0.30", "640"],
        ),
        (pipeline(f1=None, cost=cost(ZERO)), ["0.000", "-", "-", "-", "-", "0.30", "640"]),
    ],
    ids=["all there", "one run, much memory", "no interval", "undefined"],
)
def test_cells_against_the_reference(own, cells):
    row = candidate_table(clip(own, big())).rows[0]
    assert len(row.cost) == len(COST)
    assert list(row.cost) == [Cell(cell) if isinstance(cell, str) else Cell(*cell) for cell in cells]
    assert row.labels == ()
    assert row.own


@pytest.mark.parametrize(
    ("scores", "cells"),
    [
        (
            accuracy(0.8, labels=True),
            ["0.750", ("0.800", "0.780 to 0.820"), "0.790", "0.950", "0.700", "0.600", "0.500"],
        ),
        (
            accuracy(0.8).model_copy(
                update={
                    "ap50": {"person": 0.75, "vehicle": 0.5, "bike": None},
                    "tracks": TrackScore(mota=-0.25, idf1=None, hota=None, switches=None),
                }
            ),
            ["person 0.750, vehicle 0.500", ("0.800", "0.780 to 0.820"), "0.790", "0.950", "-0.250", "-", "-"],
        ),
        (UNDEFINED, ["-"] * len(LABELS)),
    ],
    ids=["one class", "several classes, no identities", "undefined"],
)
def test_cells_against_labels(scores, cells):
    table = candidate_table(clip(pipeline(labels=scores), big()))
    own, other = table.rows
    assert len(own.labels) == len(LABELS)
    assert list(own.labels) == [Cell(cell) if isinstance(cell, str) else Cell(*cell) for cell in cells]
    assert other.labels == ()
    assert table.labelled


def test_without_a_big_model_nothing_is_a_ratio():
    (row,) = candidate_table(clip(pipeline())).rows
    assert row.cost[COST.index("x less")] == Cell("-")


def test_the_reference_comes_last_with_labels_alone():
    reference_model = ReferenceFigures(what="big at 864x480", looked=1, cached=0, labels=accuracy(0.91, labels=True))
    *_, last = candidate_table(clip(pipeline(), big(), reference=reference_model)).rows
    assert (last.name, last.what, last.own, last.cost) == ("reference", "big at 864x480", False, ())
    assert last.labels[1] == Cell("0.910", "0.890 to 0.930")


def test_a_footnote_of_several_rows_has_one_number():
    table = candidate_table(
        clip(pipeline(notes=["b", "a"]), big(), candidate("little", "little", 0.1, 0.7, notes=["a", "c"]))
    )
    assert table.footnotes == ["b", "a", "c"]
    assert [row.notes for row in table.rows] == [(1, 2), (), (2, 3)]


@pytest.mark.parametrize(
    ("candidates", "legend"),
    [
        ([pipeline(), big()], []),
        ([pipeline(), big(f1=None)], [DASH]),
        ([pipeline(0.7), big()], [DEARER]),
        ([pipeline(0.7, None), big()], [DASH, DEARER]),
        ([pipeline(0.7)], [DASH]),
        ([], []),
    ],
    ids=["nothing to explain", "undefined", "dearer", "both", "no big", "nobody"],
)
def test_signs_are_explained_where_they_stand(candidates, legend):
    assert candidate_table(clip(candidates=candidates)).legend == legend
