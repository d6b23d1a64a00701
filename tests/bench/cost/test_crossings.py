"""What a model still sees behind a link, as it is measured for plans. What must hold:

- fewer bits and less quality take fewer bytes; features leave a part of the look to do behind the link;
- F1 is one where nothing is lost, and is not known where too few boxes are there to say;
- a model that cannot be cut has no features, and one that is no network is left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.models import networks
from tests.runtime import linked
from vidpipe.bench.cost.crossings import crossings
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.spec import LinkSpec, PlacedStage, Tier
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.tuning.planner.ways import FEATURES, PICTURES

BOXES = [(30, 30, 20, 12, 0, 0.9), (60, 40, 16, 16, 1, 0.8)]


def pipeline(model, **options):
    stages = (
        PlacedStage("first", linked.Passes, linked.Passes.Config()),
        PlacedStage("big", Detect, DetectConfig(model="big"), Tier.CLOUD),
    )
    made = linked.pipeline({}, [(linked.Passes, Tier.DEVICE)])
    return replace(made, models={"big": ModelSpec(path=str(model), threads=1, **options)}, stages=stages)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "thin.onnx"
    return networks.waisted_network(file, BOXES, ["class0", "class1"], (64, 96))


def noisy(count):
    """Pictures of 320 x 240."""
    random = np.random.default_rng(1)
    images = random.integers(60, 200, (count, 240, 320, 3), dtype=np.uint8)
    return [Frame("cam", seq, float(seq), BgrPicture(image), 320, 240) for seq, image in enumerate(images)]


def test_what_crosses_gets_less_with_bits_and_quality_and_features_leave_less_to_do(model):
    (ways,) = crossings(noisy(14), pipeline(model)).values()
    assert set(ways) == {spec.setting for spec in (*PICTURES, *FEATURES)}
    by_bits = [ways[spec.setting] for spec in FEATURES]
    assert [way.bytes for way in by_bits] == sorted((way.bytes for way in by_bits), reverse=True)
    for codec in ("jpeg", "webp"):
        nbytes = [ways[spec.setting].bytes for spec in PICTURES if spec.codec == codec]
        assert nbytes == sorted(nbytes, reverse=True)
    assert all(way.look == 1 for way in ways.values() if way not in by_bits)
    assert by_bits[0].f1 == 1
    assert all(0 < way.look <= 1 for way in by_bits)


def test_of_few_boxes_no_f1_is_known(model):
    (ways,) = crossings(noisy(3), pipeline(model)).values()
    assert {way.f1 for way in ways.values()} == {None}


def test_a_way_of_the_pipelines_own_links_is_measured_too(model):
    own = LinkSpec(codec="jpeg", quality=33)
    made = replace(pipeline(model), links={"device-cloud": own})
    assert own.setting in crossings(noisy(3), made)["big"]


def test_a_model_that_cannot_be_cut_has_no_features(tmp_path):
    file = tmp_path / "thin.onnx"
    model = networks.waisted_network(file, BOXES, ["class0", "class1"], (64, 96))
    (ways,) = crossings(noisy(3), pipeline(model, runtime="onnxruntime")).values()
    assert set(ways) == {spec.setting for spec in PICTURES}


def test_what_is_no_network_is_left_out():
    assert crossings(noisy(3), pipeline("vidpipe.testing:Nothing")) == {}
