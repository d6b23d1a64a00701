"""The frame-rate knob looks at the first frame of each slot of media time."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.stages.conftest import ask, frame, grey, opened
from vidpipe.core.answer import How
from vidpipe.stages.sample import Sample

PICTURE = grey(size=(4, 2))


def looked_at(times, fps):
    """The numbers of the frames that are passed on."""
    stage = opened(Sample, fps=fps)
    return [seq for seq, pts in enumerate(times) if ask(stage, frame(PICTURE, seq, pts=pts)) is None]


@pytest.mark.parametrize(
    ("rate", "fps", "expected"),
    [
        (25, 10, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]),
        (25, 5, [0, 5, 10, 15, 20]),
        (25, 1, [0]),
        (25, 25, list(range(25))),
        (25, 60, list(range(25))),
        (10, 0.5, [0]),
    ],
)
def test_one_second(rate, fps, expected):
    assert looked_at([seq / rate for seq in range(rate)], fps) == expected


@pytest.mark.parametrize("rate", [24, 25, 30, 30000 / 1001, 50, 60])
@pytest.mark.parametrize("decimals", [3, 6])
def test_the_own_rate_takes_every_frame(rate, decimals):
    """Matroska rounds times to milliseconds: 0.033 s is the second frame of 30 a second all the same."""
    times = [round(seq / rate, decimals) for seq in range(1000)]
    assert looked_at(times, rate) == list(range(1000))


def test_a_variable_rate():
    """Never more than so many a second; a frame after a gap is always looked at."""
    times = [0.0, 0.01, 0.02, 0.35, 0.36, 0.4, 0.41, 2.0, 2.01, 2.1]
    assert looked_at(times, 10) == [0, 3, 5, 7, 9]


@pytest.mark.parametrize("rate", [25, 30000 / 1001])
def test_no_drift_over_an_hour(rate):
    """3600 seconds at 10 a second, whatever rounding adds up to."""
    seconds = 3600
    taken = looked_at(np.arange(int(seconds * rate)) / rate, 10)
    assert len(taken) == 10 * seconds
    late = np.array(taken) / rate - np.arange(len(taken)) / 10
    assert late.min() > -0.002
    assert late.max() < 1 / rate


def test_what_is_skipped_says_so():
    stage = opened(Sample, fps=10)
    assert ask(stage, frame(PICTURE, 0, pts=0.0)) is None
    answer = ask(stage, frame(PICTURE, 1, pts=0.04))
    assert (answer.how, answer.by, answer.reason) == (How.SKIPPED, "sample", "over 10 frames a second")


def test_the_knob_turns_while_it_runs():
    stage = opened(Sample, fps=1)
    taken = []
    for seq in range(50):
        stage.config = Sample.Config(fps=1 if seq < 25 else 5)
        if ask(stage, frame(PICTURE, seq, pts=seq / 25)) is None:
            taken.append(seq)
    assert taken == [0, 25, 30, 35, 40, 45]


def test_snapshot_and_restore():
    """The first frame behind a restart is not looked at twice in its slot."""
    stage, after = opened(Sample, fps=1), opened(Sample, fps=1)
    assert ask(stage, frame(PICTURE, 0, pts=0.0)) is None
    after.restore(pickle.loads(pickle.dumps(stage.snapshot())))
    assert ask(after, frame(PICTURE, 1, pts=0.5)) is not None
    assert ask(after, frame(PICTURE, 2, pts=1.0)) is None
