"""Numbers and times of a camera's pictures, over connections and restarts."""

from itertools import pairwise

import pytest

from tests import clips
from tests.sources.test_clock import at_50
from vidpipe.core.answer import How
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.cameras.frame_stamper import FrameStamper


def stamper(resume=None, **spec):
    return FrameStamper("cam", StreamSpec(url="rtsp://host", **spec), Knobs(), resume, at_50())


def test_every_picture_has_a_number_and_time_only_grows():
    stamps = stamper()
    came = [stamps.missing(at, How.SKIPPED, "not decoded") for at in (50.0, 50.1, 50.1, 50.05, 60.0)]
    assert [item.seq for item in came] == [0, 1, 2, 3, 4]
    assert [item.pts for item in came] == pytest.approx([0, 0.1, 0.1, 0.1, 10], abs=1e-3)
    assert all(later.pts > sooner.pts for sooner, later in pairwise(came))
    assert [item.captured_at for item in came] == pytest.approx([1e6, 1e6 + 0.1, 1e6 + 0.1, 1e6 + 0.05, 1e6 + 10])


def test_behind_a_restart_numbers_and_times_go_on_and_the_gap_shows():
    stamps = stamper(Resume(41, 7.0, 1_000_000.0))
    item = stamps.missing(53.0, How.SKIPPED, "waiting for a key frame")
    assert (item.seq, item.captured_at) == (42, pytest.approx(1_000_003.0))
    assert item.pts == pytest.approx(10.0)


def test_a_stretch_ends_with_a_connection_a_size_and_a_restart():
    stamps = stamper()
    first, second = (stamps.frame(clips.picture(i), 50 + i / 10) for i in range(2))
    assert first.discontinuity == second.discontinuity != 0
    other_size = stamps.frame(clips.picture(2, 320, 240), 50.2)
    stamps.break_off()
    other_connection = stamps.frame(clips.picture(3, 320, 240), 50.3)
    after_restart = stamper(Resume(3, 0.3, 1_000_000.3)).frame(clips.picture(4, 320, 240), 51)
    frames = [first, other_size, other_connection, after_restart]
    assert len({frame.discontinuity for frame in frames}) >= 3
    assert first.discontinuity < other_size.discontinuity < other_connection.discontinuity


def test_hidden_parts_follow_the_size():
    stamps = stamper(mask=[[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]])
    for size in ((160, 120), (320, 240)):
        frame = stamps.frame(clips.picture(0, *size), 50)
        assert frame.hidden.shape == size[::-1]
        assert frame.visible == 0.5
        assert (frame.luma()[size[1] // 2 :] == 16).all()
