"""The rule by which the first layers' map decides, on pictures of which it is known what moved. What must hold:

- the less change counts, the fewer pictures are skipped, and what never changes is skipped but for the first;
- a block counts by itself, so that a small thing is no less of a change than a large one;
- a threshold is the largest that holds the floor on the clips that it is chosen on.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import reuse
from benchmarks.reuse import Compared, chosen, worst
from vidpipe.accuracy.series import Boxes, Series

PICTURES = 40


def clip(moves):
    """A thing of 8 pixels that moves by so many each picture, over noise of half a grey level."""
    rng = np.random.default_rng(0)
    left = (moves * np.arange(PICTURES)) % 80
    pictures = rng.normal(100, 0.5, (PICTURES, 60, 100, 2)).astype(np.float32)
    for picture, x in zip(pictures, left, strict=True):
        picture[20:28, x : x + 8] += 50
    xyxy = np.column_stack([left, np.full(PICTURES, 20), left + 8, np.full(PICTURES, 28)])
    boxes = Boxes.of(np.arange(PICTURES), xyxy)
    truth = Series(("person",), 100, 60, np.arange(PICTURES) / 10, np.ones(PICTURES, bool), boxes)
    error = worst(list(pictures))
    return Compared(f"{moves} a picture", {"cut": error, "difference": error}, truth)


def test_what_stands_still_is_looked_at_once():
    assert clip(0).at("cut", 10.0) == (pytest.approx(1 - 1 / PICTURES), 1.0)


def test_the_less_change_counts_the_more_is_looked_at_and_the_better_it_is():
    moving = clip(1)
    found = [moving.at("cut", threshold) for threshold in (0.0, 100.0, 300.0, 1e9)]
    skipped, scores = zip(*found, strict=True)
    assert list(skipped) == sorted(skipped)
    assert list(scores) == sorted(scores, reverse=True)
    assert found[0] == (0.0, 1.0)
    assert skipped[-1] == pytest.approx(1 - 1 / PICTURES)


def test_a_small_thing_counts_by_the_block_that_it_is_in():
    empty = np.zeros((60, 100, 2), np.float32)
    small = empty.copy()
    small[0:6, 0:10] = 10  # a block of the grid
    assert worst([empty, small])(0, 1) == pytest.approx(100)


def test_the_threshold_is_the_largest_that_holds_the_floor(monkeypatch):
    monkeypatch.setattr(reuse, "THRESHOLDS", {"cut": [1.0, 50.0, 100.0, 1e9]})
    clips = [clip(1), clip(2)]
    picked = chosen(clips, "cut")
    mean = {each: np.mean([one.at("cut", each)[1] for one in clips]) for each in reuse.THRESHOLDS["cut"]}
    assert mean[picked] >= reuse.FLOOR
    assert all(score < reuse.FLOOR for each, score in mean.items() if each > picked)
    monkeypatch.setattr(reuse, "THRESHOLDS", {"cut": [1e8, 1e9]})
    assert chosen(clips, "cut") == 1e8  # nothing holds: the most careful
