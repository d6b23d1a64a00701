"""A link that is split carries features in place of pictures. What must hold, on both engines:

- boxes are those of the whole network, in pixels of the camera's picture, for fewer bytes;
- audits take the same way, and each half is counted by itself;
- where more than one stage looks at a picture, or the model cannot be cut, or another variant of it is asked, pictures
  cross; it is said why;
- a server over TLS gets the same;
- settings that make no sense are refused.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from tests import clips
from tests.builders import frame
from tests.models import networks
from tests.runtime import linked, local
from tests.runtime.crossing import inline, laid, linked_up
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import How
from vidpipe.core.errors import StageError
from vidpipe.core.settings import Knobs
from vidpipe.models.library import Library
from vidpipe.pipeline.spec import LinkSpec, RungSpec, ShaperSpec, SplitSpec, Stream
from vidpipe.runtime.remote.messages import Reader, Writer
from vidpipe.runtime.transport.codec import unpack
from vidpipe.runtime.transport.pace import ladder
from vidpipe.runtime.transport.packing import packed
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import DetectConfig

SIZE = (320, 240)
FRAMES = 6
SPLIT = LinkSpec(codec="jpeg", split=SplitSpec(bits=8))


class Looks(linked.Passes):
    """Passes on; of it nobody knows what it looks at."""

    shared = True


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("split") / "clip.mp4", frames=FRAMES, size=SIZE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A YOLO of 64 x 96 whose boxes follow how bright the picture is, thin in its middle."""
    boxes = [(30, 30, 20, 12, 0, 0.9), (60, 40, 16, 16, 1, 0.8)]
    file = tmp_path_factory.mktemp("models") / "thin.onnx"
    return networks.waisted_network(file, boxes, ["class0", "class1"], (64, 96))


def boxes(published):
    return np.concatenate([result.answer.detections.xyxy for result in published])


@pytest.mark.parametrize("run", [inline, linked_up])
def test_boxes_are_those_of_the_whole_network_for_fewer_bytes(clip, model, run):
    split, nbytes = run(laid(clip, model, SPLIT))
    whole, whole_nbytes = run(laid(clip, model, LinkSpec(codec="jpeg", quality=95)))
    np.testing.assert_allclose(boxes(split), boxes(whole), atol=1)
    assert len(split) == FRAMES
    assert nbytes < whole_nbytes / 2


@pytest.mark.parametrize("run", [inline, linked_up])
def test_pictures_cross_where_others_look_at_them(clip, model, run):
    split, nbytes = run(laid(clip, model, SPLIT, Looks))
    whole, whole_nbytes = run(laid(clip, model, LinkSpec(codec="jpeg"), Looks))
    np.testing.assert_array_equal(boxes(split), boxes(whole))
    assert nbytes == whole_nbytes


def test_and_where_another_variant_is_asked(clip, model):
    other = {"big": DetectConfig(model="big", precision="bf16")}
    _, nbytes = inline(laid(clip, model, SPLIT, configs=other))
    _, whole_nbytes = inline(laid(clip, model, LinkSpec(codec="jpeg"), configs=other))
    assert nbytes == whole_nbytes


def test_and_where_the_model_cannot_be_cut(clip, model, caplog):
    with caplog.at_level(logging.WARNING):
        _, nbytes = inline(laid(clip, model, SPLIT, runtime="onnxruntime"))
    _, whole_nbytes = inline(laid(clip, model, LinkSpec(codec="jpeg"), runtime="onnxruntime"))
    assert nbytes == whole_nbytes
    (said,) = [record.message for record in caplog.records if "cannot be cut" in record.message]
    assert said.endswith("cannot be cut: only OpenVINO's networks can; pictures cross in place of features")


def test_a_server_gets_the_same(clip, model):
    laid_out = laid(clip, model, SPLIT)
    link = laid_out.links[0]
    library = Library(laid_out.pipeline.models, laid_out.pipeline.classes, (), 1)
    sent = packed(Ticket(frame(0, size=SIZE)), link, link.spec, complete=True, heads=library.head)
    got = Reader(laid_out).read(Writer(["first", "big"], lambda *_: None).write(sent))
    assert got.picture.behind == sent.picture.behind
    np.testing.assert_array_equal(got.picture.maps.data, sent.picture.maps.data)


def test_who_looks_at_pixels_that_did_not_cross_is_told(clip, model):
    laid_out = laid(clip, model, SPLIT)
    link = laid_out.links[0]
    library = Library(laid_out.pipeline.models, laid_out.pipeline.classes, (), 1)
    item = packed(Ticket(frame(0, size=SIZE)), link, link.spec, complete=True, heads=library.head)
    ticket = unpack(item, Knobs())
    with pytest.raises(StageError, match="no pixels of this frame crossed"):
        ticket.frame.bgr()


def test_a_link_that_adapts_sends_fewer_bits():
    spec = LinkSpec(codec="jpeg", split=SplitSpec(), adapt=True)
    assert [rung.bits for rung in ladder(spec)] == [4, 4, 3, 3, 3]
    assert spec.at(ladder(spec)[0]).setting == "features of 4 bits, else jpeg 85"


@pytest.mark.long
def test_when_the_network_drops_to_a_tenth_fewer_bits_cross_and_no_frame_is_without_an_answer(tmp_path, model):
    """Every third frame is asked: about 10 kB a second of features, and then the network carries 2."""
    count, fps = 60, 25
    clip = clips.encode(tmp_path / "clip.mp4", frames=count, fps=fps, size=SIZE)
    trace = [(0.0, 2.0), (0.8, 0.016)]
    link = SPLIT.model_copy(update={"adapt": True, "adapt_ms": 150, "shaper": ShaperSpec(trace=trace)})
    made = laid(clip, model, link, first=linked.Repeats)
    streams = {"cam": Stream(StreamSpec(url=f"live+file:{clip}"))}
    made = replace(made, pipeline=replace(made.pipeline, streams=streams))
    device = local.Device(made, local.segments(made)[-1])
    device.run()
    carried = device.actor.word().counts.links["device-edge"]
    assert [record.seq for record in device.published] == list(range(count))
    assert not any(record.answer.how is How.FAILED for record in device.published)
    assert len(carried.settings) > 1
    assert next(iter(carried.settings)).startswith("features of 8 bits")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"codec": "raw", "split": {}}, "some pictures cross as such"),
        ({"codec": "jpeg", "split": {"bits": 1}}, "greater than or equal to 2"),
        ({"codec": "jpeg", "adapt": True, "rungs": [{"bits": 3}]}, "of features"),
    ],
)
def test_what_makes_no_sense_is_refused(values, why):
    with pytest.raises(ValidationError, match=why):
        LinkSpec.model_validate(values)


def test_a_rung_keeps_where_the_model_is_cut():
    spec = LinkSpec(codec="jpeg", split=SplitSpec(bits=5, behind=7))
    assert spec.at(RungSpec(bits=3)).split == SplitSpec(bits=3, behind=7)
    assert spec.at(RungSpec(quality=50)).split == spec.split
