"""The crowds that identities are measured on, and the detector that sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.identities import crowd, cut, specs, tell
from vidpipe.models.boxes import iou
from vidpipe.testing.scene import COUNTS_FROM

BEHIND = np.array([10.0, 10, 30, 70])


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    (spec, *_) = specs(3)
    return crowd(replace(spec, duration_s=4.0), tmp_path_factory.mktemp("crowd"))


@pytest.mark.parametrize(
    ("hides", "left"),
    [
        ([10, 50, 30, 90], [10, 10, 30, 50]),  # the feet
        ([22, 0, 50, 80], [10, 10, 22, 70]),  # a side
        ([0, 0, 18, 80], [18, 10, 30, 70]),  # the other
        ([28, 60, 50, 90], [10, 10, 30, 70]),  # a corner
        ([12, 12, 30, 70], [10, 10, 30, 70]),  # nearly all: what is found then is where it stands
    ],
)
def test_a_box_ends_where_something_nearer_begins(hides, left):
    assert cut(BEHIND, np.array(hides, float)).tolist() == left


def test_the_detector_is_a_little_off_and_finds_nothing_that_is_hidden(street):
    found, truth = street.look.predictions.series.boxes, street.truth.boxes
    counted = truth[~truth.ignored]
    assert 0.8 * len(counted) < len(found) < len(counted)
    assert truth.ignored.any(), f"nobody is hidden by more than {1 - COUNTS_FROM:.0%}"
    best = np.array(
        [
            iou(box[None], counted.xyxy[counted.frame == frame]).max()
            for frame, box in zip(found.frame, found.xyxy, strict=True)
        ]
    )
    assert 0.8 < np.median(best) < 1


def test_with_a_look_at_every_picture_scores_are_those_of_the_tracker_alone(street, capsys):
    (every, cost), (follow, _) = tell(street, {"every": {"track": {"refresh_s": 0.0, "floor": None}}, "follow": {}})
    assert cost == 1.0
    assert every.mota > 0.8
    assert every.idf1 > follow.idf1 - 0.05
    assert capsys.readouterr().out.count("HOTA") == 2
