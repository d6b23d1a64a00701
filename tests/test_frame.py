"""Frames are shared by all stages. What must hold:

- nobody can write into one, and none is copied for that;
- pictures of any shape have a preview.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from tests.builders import frame
from vidpipe.core.frame import Frame
from vidpipe.core.motion import Motion
from vidpipe.core.picture import BgrPicture, YuvPicture
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
    shared = Frame("cam", 0, 0.0, pictures()[kind], *SIZE, hidden=hidden)
    for view in (shared.luma(), shared.bgr(), shared.preview(), shared.preview(SIZE[0]), shared.hidden):
        before = view.copy()
        with pytest.raises(ValueError, match="read-only"):
            view[:4] = 1
        assert (view == before).all()
        assert shared.keep(view).flags.writeable


@pytest.mark.parametrize("kind", pictures())
def test_a_view_is_no_copy(kind):
    shared = Frame("cam", 0, 0.0, pictures()[kind], *SIZE)
    assert np.shares_memory(shared.luma(), shared.luma())
    assert np.shares_memory(shared.bgr(), shared.bgr())


def test_who_made_a_picture_still_owns_its_pixels():
    pixels = np.full((48, 64, 3), 40, np.uint8)
    picture = BgrPicture(pixels)
    pixels[:] = 50
    assert (picture.bgr() == 50).all()


def test_what_another_makes_of_a_picture_is_his_own_and_vectors_stay_on_this_side_of_a_link():
    field = Motion.unknown(*SIZE)
    one = Frame("cam", 0, 0.0, pictures()["made"], *SIZE, vectors=lambda: field)
    one.features["mine"] = 1
    one.preview()
    twin, beyond = one.twin(), one.across()
    assert twin.preview() is not one.preview()
    assert beyond.preview() is one.preview()
    assert (dict(twin.features), dict(beyond.features)) == ({}, {"mine": 1})
    assert twin.motion() is one.motion() is field
    assert beyond.motion() is None


WIDTHS = st.one_of(st.integers(1, 64), st.sampled_from([1000, 7680]))


@given(WIDTHS, st.integers(1, 16), st.integers(1, 200))
def test_law_every_picture_has_a_preview_of_about_the_width_asked_for(width, height, wanted):
    preview = frame(size=(width, height)).preview(wanted)
    assert preview.shape[0] >= 1
    assert min(width, wanted) / 2 <= preview.shape[1] <= max(1.5 * wanted, 1.5)
    assert np.all(preview == preview[0, 0])


@pytest.mark.parametrize("size", [(7680, 8), (8, 7680), (2, 2), (640, 480)])
def test_previews_keep_what_is_there(size):
    picture = frame(size=size)
    assert picture.preview().mean() == pytest.approx(picture.luma().mean(), abs=1)


@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_law_a_pixel_of_a_preview_is_the_mean_of_its_run_to_the_nearest_grey_level(k, rows, seed):
    luma = np.random.default_rng(seed).integers(0, 256, (rows, 10 * k + min(k // 2, 4)), dtype=np.uint8)
    preview = Frame("cam", 0, 0.0, BgrPicture(np.dstack([luma] * 3)), *luma.shape[::-1]).preview(10)
    runs = luma[min(k, rows) // 2 :: k, : 10 * k].reshape(-1, 10, k)
    assert np.abs(preview - runs.mean(axis=2)).max() < 0.5001
