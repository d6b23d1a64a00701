"""A frame on both sides of a link."""

import pickle

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import answer, frame
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture, YuvPicture
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport import codec
from vidpipe.sources.view import View


def yuv_frame(width, height, pixel_format="yuv420p"):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    picture = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=pixel_format)
    return Frame(
        "cam", 7, 0.7, YuvPicture(picture), width, height, captured_at=5.0, since=6.0, visible=0.5, discontinuity=3
    )


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("size", [(64, 48), (161, 121), (768, 576), (16, 16)])
def test_raw_planes_lose_nothing(size, pixel_format):
    """Luma, preview and BGR are the same to the bit, also for odd sizes and after pickling."""
    sent = yuv_frame(*size, pixel_format)
    sent.features["gate"] = answer("gate", 1)
    packed = pickle.loads(pickle.dumps(codec.pack(Ticket(sent, due=True), LinkSpec(), complete=True)))
    assert packed.nbytes == sent.picture.nbytes + len(pickle.dumps(sent.features))
    knobs = Knobs(3)
    ticket = codec.unpack(packed, knobs)
    got = ticket.frame
    np.testing.assert_array_equal(got.luma(), sent.luma())
    np.testing.assert_array_equal(got.bgr(), sent.bgr())
    np.testing.assert_array_equal(got.preview(), sent.preview())
    for field in ("stream", "seq", "pts", "width", "height", "captured_at", "since", "visible", "discontinuity"):
        assert getattr(got, field) == getattr(sent, field)
    assert (got.knobs, ticket.due, ticket.straight) == (knobs, True, False)
    assert got.features["gate"].by == "gate"


def test_a_picture_made_as_bgr_crosses_as_it_is():
    sent = frame(size=(10, 8))
    got = codec.unpack(codec.pack(Ticket(sent), LinkSpec(), complete=True), Knobs()).frame
    np.testing.assert_array_equal(got.bgr(), sent.bgr())


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_codec_shrinks_the_picture_but_not_the_frame(kind):
    sent = yuv_frame(640, 480)
    packed = codec.pack(Ticket(sent), LinkSpec(codec=kind, quality=80, width=320), complete=False)
    got = codec.unpack(packed, Knobs()).frame
    assert packed.nbytes < sent.picture.nbytes / 4
    assert (got.width, got.height) == (640, 480)
    assert got.bgr().shape == (240, 320, 3)
    assert not packed.complete


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_more_quality_is_nearer_to_the_picture_and_takes_more_bytes(kind):
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8), (0, 0), 3)
    sent = Frame("cam", 0, 0.0, BgrPicture(smooth), 128, 96)
    packed = [
        codec.pack(Ticket(sent), LinkSpec(codec=kind, quality=quality), complete=True) for quality in (10, 50, 95)
    ]
    errors = [np.abs(codec.unpack(each, Knobs()).frame.bgr().astype(int) - smooth).mean() for each in packed]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 3
    sizes = [each.nbytes for each in packed]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("spec", [LinkSpec(), LinkSpec(codec="jpeg", width=80), LinkSpec(codec="webp", width=80)])
def test_what_is_hidden_is_known_on_the_other_side(spec):
    """As large as the picture that arrives, so that stages may lay it over."""
    view = View([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]], [])
    got = codec.unpack(codec.pack(Ticket(yuv_frame(160, 120)), spec, complete=True), Knobs(), {"cam": view}).frame
    assert got.hidden.shape == got.luma().shape
    assert got.hidden.mean() == pytest.approx(0.5)


@given(quality=st.integers(1, 100), times=st.floats(0.5, 50))
def test_a_scaled_picture_has_a_quality_that_makes_up_for_it(quality, times):
    got = codec.raised(quality, times)
    assert quality <= got <= 100
    assert got <= codec.raised(quality, times + 1)
    if times <= 1:
        assert got == quality


def test_quality_is_raised_by_finer_steps():
    """Those of 85 are 30 % of the standard tables, those of 95 are 10 %."""
    assert [codec.raised(85, times) for times in (1, 1.5, 3, 25)] == [85, 90, 95, 95]
    assert codec.raised(20, 2.5) == 50
