"""The vectors of a camera's codec come with its pictures, where a stage wants them."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.cameras import servers
from tests.sources.decoding.test_vectors import HEIGHT, WIDTH, checked, picture
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.tuning.floor.export import WANTED


def frames(url, knobs):
    source = CameraSource("cam", StreamSpec(url=url, decoder="software"), knobs=knobs)
    try:
        return list(islice((item for item in source if isinstance(item, Frame)), 40))
    finally:
        source.close()


@pytest.mark.long
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_camera_has_the_field_that_its_recording_would_have(serve, tmp_path, b_frames):
    mount = servers.encode(
        tmp_path / "units", frames=30, gop=15, size=(WIDTH, HEIGHT), picture=picture, b_frames=b_frames
    )
    url = serve({"/a": mount}).url()
    checked(frames(url, WANTED))
    assert all(frame.motion() is None for frame in frames(url, Knobs()))
