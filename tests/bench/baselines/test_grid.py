"""Static configurations: results held over a stride, what they score and cost, and which is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.builders import at, series
from vidpipe.accuracy.held import hold
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.baselines.grid import as_accurate, as_cheap, grid, strides
from vidpipe.bench.figures import Choice
from vidpipe.models.sizes import smaller_sizes


def rows(found):
    """(frame, left edge) of each box."""
    return list(zip(found.boxes.frame.tolist(), found.boxes.xyxy[:, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("boxes", "unknown", "stride", "expected"),
    [
        ([(0, 5), (1, 6), (2, 7)], [], 1, [(0, 5), (1, 6), (2, 7)]),
        ([(0, 5), (1, 6), (2, 7)], [], 2, [(0, 5), (1, 5), (2, 7), (3, 7)]),
        ([(0, 5), (0, 9), (3, 6)], [], 3, [(0, 5), (0, 9), (1, 5), (1, 9), (2, 5), (2, 9), (3, 6), (4, 6)]),
        ([(1, 6), (2, 7)], [], 3, []),
        ([(0, 5), (2, 7)], [2], 2, [(0, 5), (1, 5), (2, 5), (3, 5)]),
        ([(1, 5), (2, 7)], [0], 2, [(2, 7), (3, 7)]),
        ([], [], 2, []),
    ],
)
def test_hold(boxes, unknown, stride, expected):
    frames = 5 if stride == 3 and expected else 4
    held = hold(series(frames, *(at(frame, x) for frame, x in boxes), unknown=unknown), stride)
    assert rows(held) == expected


@st.composite
def any_series(draw):
    frames = draw(st.integers(1, 40))
    of = np.array(sorted(draw(st.lists(st.integers(0, frames - 1), max_size=60))), np.int64)
    known = np.array(draw(st.lists(st.booleans(), min_size=frames, max_size=frames)), bool)
    of = of[known[of]] if len(of) else of  # nobody finds anything where nobody looks
    columns = np.arange(len(of), dtype=np.float32)
    boxes = Boxes.of(of, np.repeat(columns[:, None], 4, axis=1), score=columns / 100, label=columns.astype(int) % 2)
    return Series(("a", "b"), 64, 48, np.arange(frames) / 25, known, boxes)


@given(any_series(), st.integers(1, 12))
def test_a_frame_has_the_boxes_of_the_last_look(found, stride):
    held = hold(found, stride)
    assert held.pts is found.pts
    for frame in range(found.frames):
        looked = [n for n in range(0, frame + 1, stride) if found.known[n]]
        truth = found.boxes[found.boxes.frame == looked[-1]] if looked else found.boxes[:0]
        got = held.boxes[held.boxes.frame == frame]
        for column in ("xyxy", "score", "label", "track", "ignored"):
            np.testing.assert_array_equal(getattr(got, column), getattr(truth, column))
    assert (np.diff(held.boxes.frame) >= 0).all()


@given(any_series())
def test_stride_one_changes_nothing_where_every_frame_was_seen(found):
    whole = Series(*(getattr(found, f) for f in ("classes", "width", "height", "pts")), found.pts >= 0, found.boxes)
    held = hold(whole, 1)
    np.testing.assert_array_equal(held.boxes.frame, whole.boxes.frame)
    np.testing.assert_array_equal(held.boxes.xyxy, whole.boxes.xyxy)


def predictions(found, *, size=(64, 64), cpu_ms=20.0, threshold=0.5):
    return Predictions(found, dict.fromkeys(found.classes, threshold), size, 30.0, cpu_ms, 2.0, found.frames)


def test_grid():
    """A box jumps aside at every other frame of 10 a second; the model also has an unsure one, which does not count."""
    steps = [at(frame, 100 * (frame % 2), score=0.9) for frame in range(40)]
    found = series(40, *steps, *(at(frame, 400, score=0.3) for frame in range(40)))
    made = grid(
        [("big", predictions(found)), ("little", predictions(found, size=(32, 32), cpu_ms=4.0))], series(40, *steps), 10
    )
    assert [(each.model, each.size, each.stride) for each in made] == [
        (model, size, stride)
        for model, size in (("big", (64, 64)), ("little", (32, 32)))
        for stride in (1, 2, 3, 4, 5, 6, 8, 10)  # of which a stretch of 40 frames has four looks
    ]
    by_stride = {each.stride: each for each in made if each.model == "big"}
    assert by_stride[1].f1 == 1.0
    assert by_stride[2].f1 == 0.5
    assert {stride: each.cpu for stride, each in by_stride.items() if stride in (1, 2, 10)} == pytest.approx(
        {1: 10 * 0.022, 2: 10 * 0.012, 10: 10 * 0.004}
    )
    assert made[-1].cpu == pytest.approx(10 * (2 + 4 / 10) / 1000)


@given(st.integers(1, 500_000))
def test_strides_are_as_long_as_the_footage_tells_and_few(frames):
    made = strides(frames)
    assert made[0] == 1
    assert sorted(set(made)) == made
    assert made[-1] <= max(1, frames / 4) < 1.6 * (made[-1] + 1)
    assert len(made) <= 40


def test_on_a_scene_that_hardly_changes_the_best_setting_looks_once_a_minute():
    """A car stands where another stood: what looks at every thirtieth frame pays twenty times too much."""
    boxes = [at(frame, 100 + 5 * (frame // 2000)) for frame in range(6000)]
    made = grid([("big", predictions(series(6000, *boxes)))], series(6000, *boxes), 10)
    chosen = as_accurate(made, 1.0)
    assert chosen.stride > 600
    assert chosen.cpu < 1.05 * min(each.cpu for each in made)


def test_what_stands_still_is_held_for_nothing():
    """A thing that stands and one that walks, 8 pixels a frame: only the latter is lost by a stride."""
    boxes = [box for frame in range(40) for box in (at(frame, 500), at(frame, 8 * frame))]
    by_stride = {each.stride: each for each in grid([("big", predictions(series(40, *boxes)))], series(40, *boxes), 10)}
    assert (by_stride[1].f1, by_stride[1].moving_f1) == (1.0, 1.0)
    assert 0.5 < by_stride[10].f1 < 0.7
    assert by_stride[10].moving_f1 < 0.3


def test_nothing_to_find_is_no_score():
    (first, *_) = grid([("big", predictions(series(10)))], series(10), 10)
    assert (first.f1, first.moving_f1) == (None, None)


def choice(model, cpu, f1, stride=1):
    return Choice(model=model, size=(64, 64), stride=stride, cpu=cpu, f1=f1, moving_f1=f1)


CHOICES = [
    choice("a", 0.9, 0.95),
    choice("b", 0.5, 0.90),
    choice("c", 0.5, 0.90, stride=2),
    choice("d", 0.3, 0.92),
    choice("e", 0.1, 0.60),
    choice("f", 0.2, None),
]


@pytest.mark.parametrize(("f1", "model"), [(0.0, "e"), (0.6, "e"), (0.61, "d"), (0.93, "a"), (0.95, "a"), (0.96, None)])
def test_as_accurate(f1, model):
    chosen = as_accurate(CHOICES, f1)
    assert (chosen.model if chosen else None) == model


@pytest.mark.parametrize(("cpu", "model"), [(2.0, "a"), (0.8, "d"), (0.3, "d"), (0.25, "e"), (0.1, "e"), (0.01, "e")])
def test_as_cheap(cpu, model):
    assert as_cheap(CHOICES, cpu).model == model


@pytest.mark.parametrize(
    ("choices", "model"),
    [
        ([choice("c", 0.5, 0.9, stride=2), choice("b", 0.5, 0.9)], "b"),
        ([choice("b", 0.5, 0.9), choice("d", 0.4, 0.9, stride=3)], "d"),
        ([choice("b", 0.5, None), choice("d", 0.4, None)], "d"),
    ],
)
def test_of_equals_the_cheaper_then_the_simpler(choices, model):
    assert as_cheap(choices, 1.0).model == model
    if choices[0].f1 is not None:
        assert as_accurate(choices, 0.9).model == model


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ((640, 640), [(480, 480), (320, 320)]),
        ((384, 672), [(288, 512), (192, 320)]),
        ((64, 64), [(32, 32)]),
        ((32, 32), []),
    ],
)
def test_smaller_sizes(native, expected):
    assert smaller_sizes(native) == expected
