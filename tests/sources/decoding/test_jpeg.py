"""Whether a JPEG picture is all there. What must hold: no part of one passes for the whole, whatever its kind."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from vidpipe.sources.decoding.jpeg import is_whole

KINDS = {
    "baseline": [],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "with restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
}


def jpeg(kind="baseline"):
    return cv2.imencode(".jpg", np.dstack([clips.scene(7)] * 3), KINDS[kind])[1].tobytes()


PICTURES = {kind: jpeg(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", [b"", bytes(40), b"\r\n"])
def test_a_whole_one_is_whole_with_whatever_stands_behind_it(kind, behind):
    assert is_whole(PICTURES[kind] + behind)


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_law_no_part_of_one_is_whole(kind, data):
    picture = PICTURES[kind]
    assert not is_whole(picture[: data.draw(st.integers(0, len(picture) - 1))])


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture():
    thumbnail = b"\xff\xe1" + (len(PICTURES["baseline"]) + 2).to_bytes(2, "big") + PICTURES["baseline"]
    picture = b"\xff\xd8" + thumbnail + PICTURES["baseline"][2:]
    assert is_whole(picture)
    assert not is_whole(picture[:-1])


@given(st.binary(max_size=300))
def test_law_rubbish_is_told_without_an_error(data):
    assert is_whole(data) in (True, False)
