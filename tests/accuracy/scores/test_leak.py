"""A stage that returns the reference must not shine, and an honest one must not be suspected."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.builders import answers, at, series
from vidpipe.accuracy.scores.leak import leaked
from vidpipe.accuracy.series import Series

NOTHING = series(20)


def reference(frames: int = 20, boxes: int = 3, seed: int = 0) -> Series:
    """Boxes of a detector: real numbers, other ones in each frame."""
    rng = np.random.default_rng(seed)
    return series(
        frames,
        *(
            at(frame, *rng.uniform(0, 400, 2), score=float(rng.uniform(0.5, 1)), label=box % 2)
            for frame in range(frames)
            for box in range(boxes)
        ),
    )


def moved(whole: Series, px: float = 0.0, score: float = 0.0) -> Series:
    boxes = whole.boxes
    rows = [
        at(int(frame), x + px, y, score=float(sure) + score, label=int(label))
        for frame, (x, y, *_), sure, label in zip(boxes.frame, boxes.xyxy, boxes.score, boxes.label, strict=True)
    ]
    return series(whole.frames, *rows)


def held(whole: Series, every: int) -> Series:
    """The answer to every n-th frame, held until the next."""
    boxes = whole.boxes
    rows = [
        at(frame, *boxes.xyxy[i, :2], score=float(boxes.score[i]), label=int(boxes.label[i]))
        for frame in range(whole.frames)
        for i in np.flatnonzero(boxes.frame == frame // every * every)
    ]
    return series(whole.frames, *rows)


def standing(frames: int = 20) -> Series:
    """A clip in which nothing changes, not even noise."""
    return series(frames, *(at(frame, 12.3456, score=0.87654) for frame in range(frames)))


SAID = reference()

# name: published, reference, looks, leaked
CASES = {
    "the reference, never asked": (SAID, SAID, 0, 20),
    "the reference, asked for 5": (SAID, SAID, 5, 15),
    "asked for every frame": (SAID, SAID, 20, 0),
    "asked more often than needed": (SAID, SAID, 30, 0),
    "asked for every 4th, held": (held(SAID, 4), SAID, 5, 0),
    "one look too few": (held(SAID, 4), SAID, 4, 1),
    "another model, almost as good": (moved(SAID, px=0.05), SAID, 0, 0),
    "same boxes, other scores": (moved(SAID, score=0.002), SAID, 0, 0),
    "a box left out of each": (series(20, *(at(f, 1, label=0) for f in range(20))), SAID, 0, 0),
    "hardly other than results hold": (moved(SAID, score=1e-7), SAID, 0, 20),
    "static scene, one look": (standing(), standing(), 1, 0),
    "static scene, never asked": (standing(), standing(), 0, 1),
    "nothing, where nothing is": (NOTHING, NOTHING, 0, 0),
    "nothing, where something is": (NOTHING, SAID, 0, 0),
    "the right boxes on the next frame": (
        series(20, *(at(f + 1, *SAID.boxes.xyxy[SAID.boxes.frame == f][0, :2]) for f in range(19))),
        SAID,
        0,
        0,
    ),
}


@pytest.mark.parametrize(("published", "truth", "predictions", "expected"), CASES.values(), ids=CASES.keys())
def test_leaked(published, truth, predictions, expected):
    assert leaked(answers(published), truth, predictions) == expected


def test_the_order_of_boxes_hides_nothing():
    boxes = SAID.boxes
    order = np.concatenate([np.flatnonzero(boxes.frame == frame)[::-1] for frame in range(20)])
    assert leaked(answers(SAID.where(order)), SAID, 0) == 20


def test_the_rounding_of_results_hides_hardly_anything():
    rng = np.random.default_rng(3)
    whole = reference(frames=2000, boxes=4, seed=3)
    written = whole.where(rng.permutation(8000)).boxes
    rounded = series(
        2000,
        *(
            (int(f), tuple(round(edge, 2) for edge in xyxy.tolist()), round(float(s), 4), int(c), -1, False, False)
            for f, xyxy, s, c in zip(written.frame, written.xyxy, written.score, written.label, strict=True)
        ),
    )
    assert leaked(answers(rounded), whole, 0) > 1980
