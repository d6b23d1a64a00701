"""Identities: by hand; the arithmetic is the library's."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.bench.builders import Row, at, series
from vidpipe.accuracy.figures import TrackScore
from vidpipe.accuracy.scores.tracks import track_score
from vidpipe.accuracy.series import Boxes, Series


def walk(track: int, frames: range, x: float = 50, **columns: float) -> list[Row]:
    return [at(frame, x, track=track, **columns) for frame in frames]


TEN = walk(1, range(10))

# name: found, wanted rows of 10 frames; MOTA, IDF1, switches
CASES = {
    "perfect, whatever the number": (walk(7, range(10)), TEN, 1.0, 1.0, 0),
    "a new number half-way": (walk(7, range(5)) + walk(8, range(5, 10)), TEN, 0.9, 0.5, 1),
    "the same after a gap": (walk(7, range(4)) + walk(7, range(6, 10)), TEN, 0.8, 16 / 18, 0),
    "another after a gap": (walk(7, range(4)) + walk(8, range(6, 10)), TEN, 0.7, 8 / 18, 1),
    "elsewhere": (walk(7, range(10), x=300), TEN, -1.0, 0.0, 0),
    "two swap": (
        walk(7, range(6)) + walk(7, range(6, 10), x=300) + walk(8, range(6), x=300) + walk(8, range(6, 10)),
        TEN + walk(2, range(10), x=300),
        1 - 2 / 20,
        12 / 20,
        2,
    ),
    "who was matched stays, be there a better one": (
        walk(7, range(10), x=54) + walk(8, range(5, 10)),
        TEN,
        0.5,
        20 / 25,
        0,
    ),
    "the same number in another class is another": (
        walk(7, range(10)) + walk(7, range(10), x=300, label=1),
        TEN + walk(1, range(10), x=300, label=1),
        1.0,
        1.0,
        0,
    ),
    "the wrong class": (walk(7, range(10), label=1), TEN, -1.0, 0.0, 0),
    "what is ignored is not missed": (walk(7, range(5)), TEN[:5] + walk(1, range(5, 10), ignored=True), 1.0, 1.0, 0),
    "nor wrong to find": (
        walk(7, range(10)),
        TEN[:5] + walk(1, range(5, 10), ignored=True),
        1.0,
        1.0,
        0,
    ),
    "what was found without identity counts as not there": (
        walk(7, range(4)) + walk(-1, range(4, 6)) + walk(7, range(6, 10)),
        TEN,
        0.8,
        16 / 18,
        0,
    ),
    "one number twice in a frame counts once": (walk(7, range(10)) + walk(7, range(10), x=52), TEN, 0.0, 20 / 30, 0),
    "a tracker that finds nothing that counts": (
        walk(7, range(5, 10)),
        TEN[:5] + walk(1, range(5, 10), ignored=True),
        0.0,
        0.0,
        0,
    ),
    "none found has an identity": (walk(-1, range(10)), TEN, None, None, None),
    "none wanted has one": (TEN, walk(-1, range(10)), None, None, None),
    "nothing found": ([], TEN, None, None, None),
    "nothing wanted": (TEN, [], None, None, None),
}


@pytest.mark.parametrize(("found", "truth", "mota", "idf1", "switches"), CASES.values(), ids=CASES.keys())
def test_by_hand(found, truth, mota, idf1, switches):
    score = track_score(series(10, *found), series(10, *truth))
    assert (score.mota, score.idf1, score.switches) == (pytest.approx(mota), pytest.approx(idf1), switches)
    assert (score.hota is None) == (mota is None)


def test_unknown_frames_are_left_out():
    found = walk(7, range(5)) + walk(8, range(5, 8)) + walk(7, range(8, 10)) + walk(9, range(5, 8), x=300)
    score = track_score(series(10, *found), series(10, *TEN, unknown=(5, 6, 7)))
    assert score == TrackScore(mota=1.0, idf1=1.0, hota=1.0, switches=0)


def random_tracks(seed: int, frames: int = 120, things: int = 12) -> tuple[Series, Series]:
    """Things that wander and crowd, and a tracker that trembles, loses, swaps and imagines them."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 150, (things, 2)), rng.normal(0, 1.5, (things, 2))
    label = rng.integers(0, 2, things)
    names = np.arange(100, 100 + things)
    truth, found = [], []
    for frame in range(frames):
        for swap in rng.choice(things, 2, replace=False)[None] if rng.random() < 0.1 else ():
            names[swap] = names[swap[::-1]]
        if rng.random() < 0.1:
            names[rng.integers(things)] = 200 + frame
        for thing in rng.permutation(things):
            x, y = start[thing] + speed[thing] * frame
            if rng.random() < 0.9:
                truth.append(at(frame, x, y, w=40, h=60, track=int(thing), label=int(label[thing])))
            if rng.random() < 0.85:
                off_x, off_y = rng.normal(0, 4, 2)
                track = int(names[thing])
                found.append(at(frame, x + off_x, y + off_y, w=40, h=60, track=track, label=int(label[thing])))
        if rng.random() < 0.3:
            found.append(at(frame, *rng.uniform(0, 150, 2), w=40, h=60, track=int(rng.integers(300, 310))))
    return series(frames, *found), series(frames, *truth, unknown=rng.choice(frames, 5).tolist())


@pytest.mark.parametrize("seed", range(4))
def test_what_a_tracker_is_given_is_what_counts(seed):
    """Whatever the numbers, the order of boxes within a frame and the frames that nobody knows."""
    predictions, truth = random_tracks(seed)
    score = track_score(predictions, truth)
    assert score.switches > 10
    assert 0.2 < score.idf1 < 0.9
    assert 0.2 < score.hota < 0.9
    boxes = predictions.boxes
    mixed = np.random.default_rng(seed).permutation(len(boxes))
    columns = {name: getattr(boxes, name)[mixed] for name in ("frame", "xyxy", "score", "label", "track")}
    renamed = Boxes.of(**(columns | {"track": 5000 - columns["track"]}))
    again = track_score(replace(predictions, boxes=renamed), truth)
    assert again.model_dump() == pytest.approx(score.model_dump())
    perfect = track_score(truth, truth)
    assert (perfect.mota, perfect.idf1, perfect.hota, perfect.switches) == (1.0, 1.0, 1.0, 0)


def test_hota_by_hand():
    """A new number half-way: each half shares 5 of 10 boxes with the thing, so of association a half is right."""
    score = track_score(series(10, *walk(7, range(5)), *walk(8, range(5, 10))), series(10, *TEN))
    assert score.hota == pytest.approx(0.5**0.5)


@pytest.mark.long
def test_ten_minutes_take_seconds():
    rng = np.random.default_rng(0)
    frames, things = 18_000, 15
    frame, thing = np.divmod(np.arange(frames * things), things)
    x = 60 * thing + rng.normal(0, 3, len(frame))
    xyxy = np.stack([x, np.full(len(x), 10), x + 40, np.full(len(x), 70)], axis=1)
    boxes = Boxes.of(frame, xyxy, track=thing + things * (frame // 400))
    long = Series(("person",), 1000, 100, np.arange(frames) / 30, np.ones(frames, bool), boxes)
    began = time.process_time()
    assert track_score(long, long).mota == 1.0
    assert time.process_time() - began < 15
