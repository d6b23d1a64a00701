"""Frames are shared by all stages. What must hold: nobody can write into one, and none is copied for that."""

from __future__ import annotations

import numpy as np
import pytest

from tests import clips
from vidpipe.frame import Frame
from vidpipe.picture import BgrPicture, YuvPicture
from vidpipe.sources.view import View

SIZE = (clips.WIDTH, clips.HEIGHT)


def pictures():
    decoded = YuvPicture(clips.picture(3))
    return {
        "decoded": decoded,
        "off a link": YuvPicture.from_planes(decoded.planes()),
        "made": BgrPicture(np.full((*SIZE[::-1], 3), 40, np.uint8)),
    }


@pytest.mark.parametrize("kind", pictures())
def test_no_view_of_a_frame_can_be_written_to(kind):
    hidden = View([((0, 0), (0.5, 0), (0.5, 0.5))], []).hidden(*SIZE)
    frame = Frame("cam", 0, 0.0, pictures()[kind], *SIZE, hidden=hidden)
    for view in (frame.luma(), frame.bgr(), frame.preview(), frame.preview(SIZE[0]), frame.hidden):
        before = view.copy()
        with pytest.raises(ValueError, match="read-only"):
            view[:4] = 1
        assert (view == before).all()
        assert frame.keep(view).flags.writeable


@pytest.mark.parametrize("kind", pictures())
def test_a_view_is_no_copy(kind):
    frame = Frame("cam", 0, 0.0, pictures()[kind], *SIZE)
    assert np.shares_memory(frame.luma(), frame.luma())
    assert np.shares_memory(frame.bgr(), frame.bgr())


def test_who_made_a_picture_still_owns_its_pixels():
    pixels = np.full((48, 64, 3), 40, np.uint8)
    picture = BgrPicture(pixels)
    pixels[:] = 50
    assert (picture.bgr() == 50).all()
