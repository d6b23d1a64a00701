"""Pictures cross a link with a codec at the size of the networks behind it. What must hold, on both engines:

- boxes are those of full pictures, in pixels of the camera's picture, for fewer bytes;
- a stage that needs full pictures gets them, and so does one of which nobody knows what it needs;
- who asks for `size: full`, or for a `width`, gets that;
- a stream whose model looks at another size sends pictures of that size, and variants that are asked in the shadow see
  what they need.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from tests import clips
from tests.builders import frame
from tests.models import networks
from tests.runtime import crossing, linked
from tests.runtime.crossing import inline, linked_up
from vidpipe.core.settings import Knobs
from vidpipe.models.inputs import NetworkInputs
from vidpipe.models.letterbox import LetterboxMode, NetworkInput
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec, PlacedStage, RungSpec, Tier
from vidpipe.runtime.transport.codec import unpack
from vidpipe.runtime.transport.packing import packed_shadow
from vidpipe.runtime.transport.size import picture_size
from vidpipe.stages.detect.detect import Detect, DetectConfig

SIZE = (320, 240)
FRAMES = 6


class Tells(Detect):
    """Says how large the picture is that it looks at."""

    def answer(self, frames):
        shapes = [frame.bgr().shape[1::-1] for frame in frames]
        return [replace(told, reason=str(each)) for told, each in zip(super().answer(frames), shapes, strict=True)]


class NeedsAll(linked.Passes):
    """Passes on, and has said nothing of what it needs."""

    shared = True


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("size") / "clip.mp4", frames=FRAMES, size=SIZE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A YOLO of 64 x 96 whose boxes follow how bright the picture is."""
    boxes = [(30, 30, 20, 12, 0, 0.9), (60, 40, 16, 16, 1, 0.8)]
    file = tmp_path_factory.mktemp("models") / "follows.onnx"
    return networks.following_network(file, boxes, ["class0", "class1"], (64, 96))


def laid(*args, **options):
    return crossing.laid(*args, big=Tells, **options)


def sizes(published):
    return {result.answer.reason for result in published}


@pytest.mark.parametrize("run", [inline, linked_up])
@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_boxes_are_those_of_full_pictures_for_fewer_bytes(clip, model, run, codec):
    small, nbytes = run(laid(clip, model, LinkSpec(codec=codec, quality=95)))
    full, full_nbytes = run(laid(clip, model, LinkSpec(codec=codec, quality=95, size="full")))
    assert sizes(small) == {"(85, 64)"}  # as the network scales 320 x 240
    assert sizes(full) == {"(320, 240)"}
    assert nbytes < 0.5 * full_nbytes
    for one, other in zip(small, full, strict=True):
        np.testing.assert_allclose(one.answer.detections.xyxy, other.answer.detections.xyxy, atol=1.0)
        assert one.answer.detections.xyxy.max() > 96  # in pixels of the camera's picture


@pytest.mark.parametrize("run", [inline, linked_up])
def test_who_needs_full_pictures_or_does_not_say_gets_them(clip, model, run):
    published, _ = run(laid(clip, model, LinkSpec(codec="jpeg"), NeedsAll))
    assert sizes(published) == {"(320, 240)"}


@pytest.mark.parametrize("run", [inline, linked_up])
def test_a_width_is_what_it_always_was(clip, model, run):
    published, _ = run(laid(clip, model, LinkSpec(codec="jpeg", width=160)))
    assert sizes(published) == {"(160, 120)"}


@pytest.mark.parametrize("run", [inline, linked_up])
def test_a_stream_whose_model_looks_at_another_size_sends_that(clip, tmp_path, run):
    table = networks.ssd_table([(30, 30, 20, 12, 0, 0.9)])
    any_size = networks.constant_network(tmp_path / "any.onnx", {"out": table})
    own = {"big": DetectConfig(model="big", size=(96, 128))}
    made = laid(clip, any_size, LinkSpec(codec="jpeg"), configs=own, family="ssd", names=["class0"])
    assert sizes(run(made)[0]) == {"(128, 96)"}


def link(spec, *stages, known=True):
    inputs = NetworkInputs({"big": NetworkInput((60, 80), LetterboxMode.STRETCH)} if known else {})
    return Link("device", "cloud", spec, below=stages, inputs=inputs)


BIG = PlacedStage("big", Detect, DetectConfig(model="big"), Tier.CLOUD)


def test_settings_of_a_frame_decide():
    """They come with it: a change of the model's size is in force from the same frame on, on both sides."""
    there = link(LinkSpec(codec="jpeg"), BIG)
    asked = frame(size=SIZE)
    assert picture_size(asked, there, there.spec) == (80, 60)
    asked.knobs = Knobs(1, {"big": DetectConfig(model="big", size=(200, 160))})
    assert picture_size(asked, there, there.spec) == (160, 200)
    asked.knobs = Knobs(2, {"big": DetectConfig(model="other")})
    assert picture_size(asked, there, there.spec) == SIZE


def test_an_unknown_network_gets_the_picture_as_it_is():
    there = link(LinkSpec(codec="jpeg"), BIG, known=False)
    assert picture_size(frame(size=SIZE), there, there.spec) == SIZE


def test_a_rung_makes_pictures_smaller_and_never_larger():
    there = link(LinkSpec(codec="jpeg", adapt=True), BIG)
    for width, size in {72: (72, 54), 300: (80, 60)}.items():
        assert picture_size(frame(size=SIZE), there, there.spec.at(RungSpec(width=width))) == size


def test_a_variant_asked_in_the_shadow_sees_what_it_needs():
    there = link(LinkSpec(codec="jpeg"), BIG)
    variants = [("big", DetectConfig(model="big", size=size)) for size in (64, 128)]
    item = packed_shadow(frame(size=SIZE), there, variants)
    assert unpack(item, Knobs()).frame.bgr().shape == (128, 171, 3)  # large enough for both, and in its own shape


def test_a_width_beside_a_size_is_a_mistake():
    with pytest.raises(ValidationError, match="leave one of them out"):
        LinkSpec(codec="jpeg", width=640, size="full")
