"""The views of a frame, of pictures of any shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import frame

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
