"""Class heads that are cut: what stays is computed as before, and a network without such heads is refused."""

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.headed import headed_network
from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.errors import ModelError
from vidpipe.models.runtimes.heads import with_classes


def outputs(model, picture):
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture)[0]


@settings(deadline=None, max_examples=15)
@given(data=st.data(), count=st.integers(2, 9))
def test_classes_that_stay_are_scored_as_before(tmp_path_factory, data, count):
    kept = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=count - 1)))
    model = ov.Core().read_model(headed_network(tmp_path_factory.mktemp("net") / "net.xml", count))
    picture = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 256, (1, 3, 64, 64)).astype(np.float32)
    whole, cut = outputs(model, picture), outputs(with_classes(model, count, kept, "net", 1.0), picture)
    assert cut.shape == (1, 84, 5 + len(kept))
    np.testing.assert_allclose(cut, whole[..., [*range(5), *(5 + each for each in kept)]], 1e-4, 1e-5)
    assert model.outputs[0].shape == [1, 84, 5 + count]


def test_what_it_does_not_know_it_leaves_alone(tmp_path):
    model = ov.Core().read_model(constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 4)}))
    with pytest.raises(ModelError, match="model net: its class heads cannot be cut"):
        with_classes(model, 4, [0], "net", 1.0)


def test_a_layer_with_convolutions_behind_it_is_no_class_head(tmp_path):
    model = ov.Core().read_model(headed_network(tmp_path / "net.xml", 4))
    with pytest.raises(ModelError, match="cannot be cut"):
        with_classes(model, 16, [0], "net", 1.0)  # so many channels has the layer before the heads
