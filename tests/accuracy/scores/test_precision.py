"""Average precision: by hand, and by pycocotools."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.builders import Row, at, series
from tests.bench.coco import evaluated, random_scene
from vidpipe.accuracy.scores.precision import ap50

HIT, MISS = 0, 300  # where the wanted box is, and where none is


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        pytest.param([], [], None, id="nothing wanted"),
        pytest.param([at(0, HIT)], [], None, id="nothing wanted, something found"),
        pytest.param([at(0, HIT)], [at(0, HIT, ignored=True)], None, id="nothing that counts"),
        pytest.param([], [at(0, HIT)], 0, id="nothing found"),
        pytest.param([at(0, HIT)], [at(0, HIT)], 1, id="all found"),
        pytest.param([at(0, MISS)], [at(0, HIT)], 0, id="only false ones"),
        # The first precision of 1 holds up to recall 0.5: 51 of 101 points.
        pytest.param([at(0, HIT)], [at(0, HIT), at(1, HIT)], 51 / 101, id="half found"),
        pytest.param([at(0, HIT, score=0.9), at(0, MISS, score=0.8)], [at(0, HIT)], 1, id="a false one behind"),
        pytest.param([at(0, HIT, score=0.8), at(0, MISS, score=0.9)], [at(0, HIT)], 1 / 2, id="a false one before"),
        pytest.param([at(0, HIT, score=0.9), at(0, HIT, score=0.8)], [at(0, HIT)], 1, id="found twice"),
        pytest.param(
            [at(0, HIT, score=0.9), at(0, MISS, score=0.8), at(1, HIT, score=0.7)],
            [at(0, HIT), at(1, HIT)],
            (51 * 1 + 50 * 2 / 3) / 101,
            id="a false one between",
        ),
        pytest.param(
            [at(0, HIT, score=0.7), at(0, MISS, score=0.9)],
            [at(0, HIT), at(0, MISS, ignored=True)],
            1,
            id="what matches an ignored box is not false",
        ),
        pytest.param([at(0, HIT), at(2, HIT)], [at(0, HIT), at(2, MISS)], 1, id="an unknown frame counts nothing"),
    ],
)
def test_by_hand(found: list[Row], truth: list[Row], expected: float | None) -> None:
    scores = ap50(series(3, *found), series(3, *truth, unknown=[2]))
    assert scores == {"person": None if expected is None else pytest.approx(expected, abs=1e-12), "vehicle": None}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_as_coco_has_it(seed: int) -> None:
    found, truth = random_scene(seed)
    precision = evaluated(found, truth).eval["precision"][0, :, :, 0, 0]
    expected = {
        name: None if (of := precision[:, label]).max() < 0 else pytest.approx(of.mean(), abs=1e-6)
        for label, name in enumerate(truth.classes)
    }
    assert ap50(found, truth) == expected


def test_series_that_differ_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="3 frames"):
        ap50(series(3), series(4))
