"""What looks at some frames say of all: each frame has the boxes of the newest look that was made by then."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.accuracy.held import held_for, hold
from vidpipe.accuracy.series import Boxes, Series

SLACK_S = 1e-3


def numbered(pts, known):
    """A series whose frame n has one box, which lies at x = n."""
    frames = np.flatnonzero(known)
    xyxy = np.column_stack([frames, 0 * frames, frames + 1, 0 * frames + 1]).reshape(-1, 4)
    return Series(("thing",), 640, 480, np.array(pts, float), np.array(known, bool), Boxes.of(frames, xyxy))


@st.composite
def footage(draw):
    steps = draw(st.lists(st.floats(0.01, 0.5), min_size=1, max_size=40))
    known = draw(st.lists(st.booleans(), min_size=len(steps), max_size=len(steps)))
    return numbered(np.cumsum(steps) + draw(st.floats(0, 1000)), known)


def of(series):
    """Which frame each has its box from; -1: it has none."""
    source = np.full(series.frames, -1)
    source[series.boxes.frame] = series.boxes.xyxy[:, 0].astype(int)
    return source.tolist()


@given(footage(), st.floats(0, 3))
def test_each_frame_has_the_boxes_of_the_newest_look(series, between_s):
    held, looked = held_for(series, between_s)
    newest = -1
    for frame, source in enumerate(of(held)):
        if looked[frame]:
            newest = frame
        assert source == newest
    assert not (looked & ~series.known).any(), "what could not be decoded is no look"
    assert np.array_equal(held.pts, series.pts)


@given(footage(), st.floats(0, 3))
def test_looks_lie_as_far_apart_as_asked_and_no_further_than_they_must(series, between_s):
    _, looked = held_for(series, between_s)
    looks, last = np.flatnonzero(looked), None
    for frame in np.flatnonzero(series.known):
        due = last is None or series.pts[frame] >= series.pts[last] + between_s - SLACK_S
        assert (frame in looks) == due
        last = frame if due else last


@given(footage())
def test_no_time_between_looks_is_a_look_at_every_frame(series):
    held, looked = held_for(series, 0.0)
    assert np.array_equal(looked, series.known)
    assert of(held) == np.maximum.accumulate(np.where(series.known, np.arange(series.frames), -1)).tolist()


@pytest.mark.parametrize("fps", [10, 25, 29.97])
@given(st.integers(1, 12), st.integers(1, 60))
def test_at_an_even_rate_it_is_one_look_in_so_many_frames(fps, stride, frames):
    """Also where a container rounds its times to milliseconds."""
    series = numbered(np.round(np.arange(frames) / fps, 3), np.ones(frames, bool))
    held, looked = held_for(series, stride / fps)
    assert of(held) == of(hold(series, stride))
    assert np.flatnonzero(looked).tolist() == list(range(0, frames, stride))
