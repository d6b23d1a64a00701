"""A camera's packets in a file: every picture that came from the first key frame on, in order, at rising times."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests import clips
from tests.cameras import servers
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.record import record
from vidpipe.sources.open import open_source


def read(path):
    pictures = list(open_source("cam", StreamSpec(url=str(path)), knobs=Knobs()))
    assert all(isinstance(picture, Frame) for picture in pictures)
    return [clips.number(picture.luma()) for picture in pictures], np.array([picture.pts for picture in pictures])


@pytest.mark.long
@pytest.mark.parametrize("encoding", [{"codec": "h265"}, {"b_frames": 2}, {"fps": 100, "frames": 200}])
def test_no_picture_is_lost_and_times_rise(serve, tmp_path, encoding):
    """Also where pictures come in bursts, or in another order than they are shown in."""
    mount = servers.encode(tmp_path / "units", **encoding)
    numbers, pts = read(record("cam", StreamSpec(url=serve({"/a": mount}).url()), 2.0, tmp_path))
    frames, fps = len(mount["order"]), mount["fps"]
    assert (np.diff(numbers) % frames == 1).all()
    assert len(numbers) == pytest.approx(2 * fps, abs=0.2 * fps)
    assert (np.diff(pts) > 0).all()
    if "b_frames" not in encoding:
        assert np.diff(pts) == pytest.approx(1 / fps, abs=2e-3)


@pytest.mark.long
def test_what_came_before_a_camera_went_away_is_kept(serve, clip, tmp_path):
    server = serve({"/a": clip})
    leaves = threading.Timer(2.5, server.kill)
    leaves.start()
    numbers, pts = read(record("cam", StreamSpec(url=server.url()), 60.0, tmp_path))
    leaves.join()
    assert len(numbers) > 25
    assert (np.diff(pts) > 0).all()


def test_a_camera_that_is_not_there_is_told_without_its_password(tmp_path):
    spec = StreamSpec(url=f"rtsp://joe:s3cret@127.0.0.1:{servers.free_port()}/a")
    with pytest.raises(SourceError) as told:
        record("cam", spec, 2.0, tmp_path)
    assert str(told.value).startswith("stream cam: ")
    assert "s3cret" not in str(told.value)
