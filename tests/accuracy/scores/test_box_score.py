"""Box F1, its interval, and what of it is of things that move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.builders import Row, at, series
from tests.bench.coco import evaluated, random_scene
from vidpipe.accuracy.scores.box_score import Counts, box_score, by_class, count, moving

SECOND = np.arange(100) / 10.0


@pytest.mark.parametrize(
    ("found", "truth", "tp_fp_fn"),
    [
        pytest.param([], [], (0, 0, 0), id="nothing"),
        pytest.param([at(0, 0)], [at(0, 0)], (1, 0, 0), id="right"),
        pytest.param([at(0, 0)], [], (0, 1, 0), id="false"),
        pytest.param([], [at(0, 0)], (0, 0, 1), id="missed"),
        pytest.param([at(0, 0)], [at(0, 300)], (0, 1, 1), id="elsewhere"),
        pytest.param([at(0, 0, label=1)], [at(0, 0)], (0, 1, 1), id="another class"),
        pytest.param([at(0, 0), at(0, 1)], [at(0, 0)], (1, 1, 0), id="found twice"),
        pytest.param([], [at(0, 0, ignored=True)], (0, 0, 0), id="ignored, not found"),
        pytest.param([at(0, 0)], [at(0, 0, ignored=True)], (0, 0, 0), id="ignored, found"),
        pytest.param([at(2, 0)], [at(2, 300)], (0, 0, 0), id="an unknown frame counts nothing"),
    ],
)
def test_counts(found: list[Row], truth: list[Row], tp_fp_fn: tuple[int, int, int]) -> None:
    counts = count(series(3, *found), series(3, *truth, unknown=[2]))
    assert tuple(int(part.sum()) for part in counts) == tp_fp_fn
    assert all(part.shape == (2, 3) and part.dtype == np.int64 for part in counts)


def test_counts_lie_at_their_class_and_frame() -> None:
    counts = count(series(3, at(1, 0, label=1), at(2, 0)), series(3, at(1, 0, label=1), at(0, 0, label=1)))
    assert counts.tp.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert counts.fp.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert counts.fn.tolist() == [[0, 0, 0], [1, 0, 0]]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_counts_are_cocos(seed: int) -> None:
    found, truth = random_scene(seed)
    images = [image for image in evaluated(found, truth).evalImgs if image is not None]
    matched = [(image["dtMatches"][0] > 0, image["dtIgnore"][0] > 0) for image in images]
    missed = [(image["gtMatches"][0] == 0) & (image["gtIgnore"] == 0) for image in images]
    expected = (
        sum(int((hit & ~ignored).sum()) for hit, ignored in matched),
        sum(int((~hit & ~ignored).sum()) for hit, ignored in matched),
        sum(int(misses.sum()) for misses in missed),
    )
    assert tuple(int(part.sum()) for part in count(found, truth)) == expected


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        pytest.param(series(3), series(4), id="frames"),
        pytest.param(series(3), series(3, classes=["person"]), id="classes"),
        pytest.param(series(3), series(3, classes=["vehicle", "person"]), id="order of classes"),
    ],
)
def test_series_that_differ_cannot_be_compared(found: object, truth: object) -> None:
    with pytest.raises(ValueError, match="cannot compare 3 frames"):
        count(found, truth)  # type: ignore[arg-type]


def of(tp: int, fp: int, fn: int) -> Counts:
    """One class, all in the first of 100 frames."""
    return Counts(*(np.array([[total] + [0] * 99], np.int64) for total in (tp, fp, fn)))


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "f1", "precision", "recall"),
    [
        (0, 0, 0, None, None, None),
        (0, 3, 0, 0, 0, None),
        (0, 0, 3, 0, None, 0),
        (0, 1, 1, 0, 0, 0),
        (4, 0, 0, 1, 1, 1),
        (6, 2, 4, 2 * 0.75 * 0.6 / 1.35, 0.75, 0.6),
    ],
)
def test_score(tp: int, fp: int, fn: int, f1: float | None, precision: float | None, recall: float | None) -> None:
    score = box_score(of(tp, fp, fn), SECOND)
    assert (score.tp, score.fp, score.fn) == (tp, fp, fn)
    assert (score.f1, score.precision, score.recall) == (
        pytest.approx(f1) if f1 is not None else None,
        precision,
        recall,
    )


def test_score_by_class_and_of_all_together() -> None:
    counts = Counts(np.array([[3, 1], [0, 0]]), np.array([[0, 2], [0, 0]]), np.array([[0, 0], [0, 0]]))
    scores = by_class(counts, ["person", "vehicle"])
    assert [(name, score.tp, score.fp, score.f1) for name, score in scores.items()] == [
        ("person", 4, 2, 0.8),
        ("vehicle", 0, 0, None),
    ]
    assert box_score(counts, SECOND[:2]).f1 == 0.8


# The interval


def test_no_interval_of_less_than_five_blocks_that_count() -> None:
    everywhere = Counts(*np.ones((3, 1, 100), np.int64))
    assert box_score(everywhere, SECOND).low is not None  # 10 s
    assert box_score(Counts(*(part[:, :80] for part in everywhere)), SECOND[:80]).low is None  # 8 s
    assert box_score(of(5, 5, 5), SECOND).low is None  # 10 s, of which 2 s count


def test_interval_is_repeatable_holds_the_score_and_is_narrow_where_all_blocks_are_alike() -> None:
    rng = np.random.default_rng(0)
    counts = Counts(*rng.integers(0, 9, (3, 2, 600)))
    pts = np.arange(600) / 10
    score = box_score(counts, pts)
    assert score == box_score(counts, pts)
    assert score.low < score.f1 < score.high  # type: ignore[operator]
    alike = box_score(Counts(*np.full((3, 1, 600), 2)), pts)
    assert (alike.low, alike.f1, alike.high) == pytest.approx((0.5, 0.5, 0.5))


def test_what_is_wrong_for_seconds_widens_the_interval() -> None:
    """Wrong for 2 s in 4 is as much as wrong in every second frame, and far less certain."""
    pts = np.arange(1200) / 10
    widths = []
    for wrong in (np.arange(1200) % 2 == 0, pts % 4 < 2):
        right = (~wrong).astype(np.int64)[None]
        score = box_score(Counts(right, 1 - right, 0 * right), pts)
        assert score.f1 == pytest.approx(2 / 3)
        widths.append(score.high - score.low)  # type: ignore[operator]
    assert widths[0] < 0.01
    assert widths[1] > 0.2


@pytest.mark.long
def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Streams whose every 2 s are right or wrong as a coin falls: of 200 intervals some 190 hold the true F1."""
    pts = np.arange(600) / 5  # 60 blocks of 10 frames
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        right = np.repeat(rng.random(60) < 0.5, 10).astype(np.int64)[None]
        score = box_score(Counts(right, 1 - right, 0 * right), pts)
        covered += score.low <= 2 / 3 <= score.high  # type: ignore[operator]
    assert 176 <= covered <= 199


# What moves


def walk(frames: range, step: float, **columns: float) -> list[Row]:
    """A box 20 wide that goes `step` pixels a frame."""
    return [at(frame, step * frame, **columns) for frame in frames]


@pytest.mark.parametrize(
    ("frames", "rows", "still"),
    [
        pytest.param(30, walk(range(30), 0), list(range(30)), id="never moves"),
        pytest.param(30, walk(range(30), 1), [], id="10 px a second, half its width"),
        # IoU 0.7 of a box 20 wide: 3.5 px in a second.
        pytest.param(30, walk(range(30), 0.35), list(range(30)), id="creeps: still overlaps itself by 0.7"),
        pytest.param(30, walk(range(30), 0.36), [], id="a little faster"),
        pytest.param(9, walk(range(9), 0), [], id="less than a second: nothing can be called still"),
        pytest.param(15, walk(range(15), 0), [*range(5), *range(10, 15)], id="neither side: not still"),
        pytest.param(30, walk(range(12), 0), [0, 1], id="gone a second later: of the first frames one side decides"),
        pytest.param(
            30, [at(frame, 0, label=frame // 10 % 2) for frame in range(30)], [], id="in its place another class"
        ),
        # From 10 on it goes; a second before it must have stood, and a second after it must stand.
        pytest.param(
            40, [at(frame, max(0, frame - 20) * 4) for frame in range(40)], list(range(11)), id="stands, then goes"
        ),
        pytest.param(30, [], [], id="no boxes"),
    ],
)
def test_what_stands_still_is_ignored(frames: int, rows: list[Row], still: list[int]) -> None:
    boxes = moving(series(frames, *rows)).boxes
    assert boxes.frame[boxes.ignored].tolist() == still


def test_frames_that_nobody_looked_at_say_nothing() -> None:
    """Of every fifth frame there are labels: a second before and after are known; at every 25th they are not."""
    for every, still in ((5, [0, 5, 10, 15, 20, 25]), (7, [0, 7, 14, 21, 28]), (25, [])):
        rows = walk(range(0, 30, every), 0)
        unknown = [frame for frame in range(30) if frame % every]
        boxes = moving(series(30, *rows, unknown=unknown)).boxes
        assert boxes.frame[boxes.ignored].tolist() == still


def test_moving_score_forgives_what_stands_and_nothing_else() -> None:
    stands, goes = walk(range(30), 0), [at(frame, 200 + 4 * frame) for frame in range(30)]
    truth = moving(series(30, *stands, *goes, at(3, 500, ignored=True)))
    ghost = at(4, 600, y=300)

    def totals(*rows: Row) -> tuple[int, ...]:
        return tuple(int(part.sum()) for part in count(series(30, *rows), truth))

    assert totals(*stands, *goes) == (30, 0, 0)
    assert totals(*stands) == (0, 0, 30)
    assert totals(*goes, ghost) == (30, 1, 0)
    assert totals(at(3, 500)) == (0, 0, 30)
