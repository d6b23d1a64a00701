"""Which found box is which wanted one: by hand, box by box in a plain loop, and by pycocotools."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.builders import Row, at, boxes, series
from tests.bench.coco import evaluated, random_scene
from vidpipe.accuracy.scores.matching import match, match_known, overlaps
from vidpipe.accuracy.series import Boxes
from vidpipe.models.boxes import iou


@pytest.mark.parametrize(
    ("found", "truth", "pairs"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([at(0, 0)], [], [], id="nothing wanted"),
        pytest.param([], [at(0, 0)], [], id="nothing found"),
        pytest.param([at(0, 0)], [at(0, 0)], [(0, 0)], id="the same"),
        pytest.param([at(0, 10, w=10)], [at(0, 0, w=20)], [(0, 0)], id="IoU of exactly 0.5 is enough"),
        pytest.param([at(0, 10, w=10)], [at(0, 0, w=21)], [], id="less is not"),
        pytest.param([at(1, 0)], [at(0, 0)], [], id="another frame"),
        pytest.param([at(0, 0, label=1)], [at(0, 0)], [], id="another class"),
        pytest.param([at(0, 0, score=0.5), at(0, 4, score=0.9)], [at(0, 0)], [(1, 0)], id="the better score chooses"),
        pytest.param([at(0, 4, score=0.5), at(0, 0, score=0.5)], [at(0, 0)], [(0, 0)], id="of equals the first"),
        pytest.param([at(0, 3)], [at(0, 0), at(0, 4)], [(0, 1)], id="the greater overlap is chosen"),
        pytest.param([at(0, 4)], [at(0, 2), at(0, 6)], [(0, 1)], id="of equal overlaps the last"),
        pytest.param(
            [at(0, 3, score=0.9), at(0, 8, score=0.8)], [at(0, 0), at(0, 4)], [(0, 1)], id="greedy, not the most pairs"
        ),
        pytest.param([at(0, 0)], [at(0, 0, ignored=True), at(0, 4)], [(0, 1)], id="one that counts goes first"),
        pytest.param(
            [at(0, 0, score=0.9), at(0, 0, score=0.8)], [at(0, 0, ignored=True)], [(0, 0)], id="ignored: one takes it"
        ),
        pytest.param(
            [at(0, 0, w=5), at(0, 20, w=5), at(0, 95, w=20)],
            [at(0, 0, w=100, ignored=True, crowd=True)],
            [(0, 0), (1, 0)],
            id="crowd: any number, that lie in it by half",
        ),
    ],
)
def test_by_hand(found: list[Row], truth: list[Row], pairs: list[tuple[int, int]]) -> None:
    matches = match(boxes(*found), boxes(*truth))
    assert list(zip(matches.predictions.tolist(), matches.truth.tolist(), strict=True)) == pairs


def test_another_threshold() -> None:
    assert len(match(boxes(at(0, 3)), boxes(at(0, 0)), 0.7).predictions) == 1
    assert len(match(boxes(at(0, 4)), boxes(at(0, 0)), 0.7).predictions) == 0


def one_by_one(found: Boxes, truth: Boxes) -> list[tuple[int, int]]:
    """The rule as a loop over found boxes, without crowds."""
    pairs = []
    free = set(range(len(truth)))
    for box in np.argsort(-found.score, kind="stable"):
        choice = [
            (not truth.ignored[other], overlap, other)
            for other in free
            if (found.frame[box], found.label[box]) == (truth.frame[other], truth.label[other])
            and (overlap := iou(found.xyxy[box].astype(float), truth.xyxy[other].astype(float))) >= 0.5
        ]
        if choice:
            best = max(choice)[2]
            free.remove(best)
            pairs.append((int(box), best))
    return sorted(pairs)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_as_a_loop_does_it(seed: int) -> None:
    found, truth = (scene.boxes for scene in random_scene(seed))
    truth = truth[~truth.crowd]
    matches = match(found, truth)
    assert list(zip(matches.predictions.tolist(), matches.truth.tolist(), strict=True)) == one_by_one(found, truth)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_pair_by_pair_as_coco_does_it(seed: int) -> None:
    found, truth = random_scene(seed)
    pairs = {
        (int(box) - 1, int(match) - 1)
        for image in evaluated(found, truth).evalImgs
        if image is not None
        for box, match in zip(image["dtIds"], image["dtMatches"][0], strict=True)
        if match
    }
    # Rows of all boxes, as COCO has them, of those of known frames.
    found_rows, truth_rows = (np.flatnonzero(truth.known[of.boxes.frame]) for of in (found, truth))
    _, _, matches = match_known(found, truth)
    ours = zip(found_rows[matches.predictions].tolist(), truth_rows[matches.truth].tolist(), strict=True)
    assert set(ours) == pairs


def test_overlaps_beyond_one_chunk_are_those_of_each_part() -> None:
    """600 times 600 boxes of one frame are more pairs than are computed at once."""
    rng = np.random.default_rng(3)
    rows = boxes(*(at(0, float(x)) for x in rng.uniform(0, 2000, 600)))
    pairs = overlaps(rows, rows, 0.5)
    expected = np.argwhere(iou(rows.xyxy[:, None].astype(float), rows.xyxy[None].astype(float)) >= 0.5)
    assert np.array_equal(np.stack([pairs.predictions, pairs.truth], axis=1), expected)


def test_series_that_differ_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="3 frames of person, vehicle with 4 frames of person"):
        match_known(series(3), series(4, classes=["person"]))


def test_ten_minutes_of_video_take_a_moment() -> None:
    """18,000 frames of 15 boxes: ten minutes at 30 fps must be scored, in all, in well under 10 s."""
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(18_000), 15)
    corner = rng.uniform(0, 800, (len(frame), 2))
    size = rng.uniform(40, 120, (len(frame), 2))
    truth = Boxes.of(frame, np.hstack([corner, corner + size]))
    found = Boxes.of(frame, truth.xyxy + rng.normal(0, 5, (len(frame), 4)), score=rng.random(len(frame)))
    begin = time.process_time()
    matches = match(found, truth)
    assert time.process_time() - begin < 5
    assert len(matches.predictions) > 0.8 * len(frame)
