"""What a detector makes of a picture is known beforehand, so it may be scaled before it comes there. What must hold:

- one that was scaled to what is enough for a network gives it the same input, and the boxes lie in the same places;
- it is never larger than the picture itself, and keeps its shape where several networks differ;
- what is known of a network without loading it is what loading it says.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from tests.models import networks
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.inputs import NetworkInputs, network_input
from vidpipe.models.letterbox import Letterbox, LetterboxMode, NetworkInput, enough, scale
from vidpipe.models.load import load_detector
from vidpipe.models.metadata.embedded import input_size

SIDES = st.integers(8, 160)
NETWORKS = st.builds(NetworkInput, st.tuples(SIDES, SIDES), st.sampled_from(LetterboxMode))
CLASSES = Classes({"thing": ["thing"]})


def laid(picture, network):
    """The input of a network, and where the picture lies in it."""
    target = np.zeros((*network.size, 3), np.uint8)
    return target, Letterbox(network.mode, target).put(picture)


@given(st.tuples(SIDES, SIDES), NETWORKS, st.integers(0, 9))
def test_a_picture_of_enough_pixels_is_seen_as_the_picture_itself(size, network, seed):
    picture = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    sent = scale(picture, enough(size, [network]))
    (direct, place), (after, place_after) = laid(picture, network), laid(sent, network)
    # A side that the network enlarges is left as it is, and the other one is rounded on the way.
    assert np.abs(direct.astype(int) - after.astype(int)).max() <= 2
    if all(side <= own for side, own in zip(network.scaled(size), size, strict=True)):
        np.testing.assert_array_equal(direct, after)
    boxes = np.random.default_rng(seed).uniform(0, max(network.size), (8, 4)).astype(np.float32)
    back = place_after.back(boxes.copy()) / (np.array(sent.shape[1::-1] * 2) / np.array(size * 2))
    np.testing.assert_allclose(back, place.back(boxes.copy()), atol=0.01 * max(size) / min(network.size) + 1e-3)


@given(st.tuples(SIDES, SIDES), st.lists(NETWORKS, min_size=1, max_size=4))
def test_of_several_networks_none_gets_a_picture_smaller_than_it_takes(size, several):
    width, height = enough(size, several)
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    for network in several:
        taken = network.scaled(size)
        assert width >= min(taken[0], size[0])
        assert height >= min(taken[1], size[1])
    if len({network.scaled(size) for network in several}) > 1:
        assert abs(width / size[0] - height / size[1]) <= 1 / min(size)


@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_what_is_known_of_a_network_is_what_loading_it_says(tmp_path, size):
    file = networks.following_network(tmp_path / "street.onnx", [(10, 10, 8, 8, 0, 0.9)], ["thing"], size)
    spec = ModelSpec(path=str(file))
    known = network_input(spec)
    assert known == NetworkInput(size, LetterboxMode.CENTRE)
    assert load_detector(spec, CLASSES, threads=1).traits.size == known.size


def test_an_openvino_file_tells_its_input(tmp_path):
    import openvino as ov

    file = networks.mean_network(tmp_path / "mean.onnx", size=(24, 40))
    ov.save_model(ov.convert_model(file), tmp_path / "mean.xml")
    assert input_size(file) == input_size(tmp_path / "mean.xml") == (24, 40)
    upright = networks.mean_network(tmp_path / "upright.onnx", planar=False, size=(24, 40))
    assert input_size(upright) == (24, 40)


def test_a_file_that_does_not_tell_is_no_error(tmp_path):
    any_size = networks.mean_network(tmp_path / "any.onnx", size=("h", "w"), dtype=TensorProto.FLOAT)
    assert input_size(any_size) is None
    for name, content in {
        "cut.onnx": any_size.read_bytes()[:40],
        "no.xml": b"<net><lay",
        "no.onnx": b"\xff" * 99,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert input_size(tmp_path / name) is None
    assert input_size(tmp_path / "missing.xml") is None


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        (ModelSpec(path="yolo11n"), NetworkInput((640, 640), LetterboxMode.CENTRE)),
        (ModelSpec(path="yolo11n.pt", size=320), NetworkInput((320, 320), LetterboxMode.CENTRE)),
        (ModelSpec(path="person-vehicle-bike-detection-2003.xml"), NetworkInput((480, 864), LetterboxMode.STRETCH)),
        (ModelSpec(path="ours.onnx", family="yolox", size=(96, 64)), NetworkInput((96, 64), LetterboxMode.CORNER)),
        (ModelSpec(path="ours.onnx", family="yolox"), None),
        (ModelSpec(path="ours.onnx", size=64), None),
        (ModelSpec(path="yolo11n", slicing=Slicing()), None),
        (ModelSpec(path="tests.models.bright:Bright"), None),
        (ModelSpec(path="mobilenet_v1_embedding_extractor.tflite"), None),
    ],
)
def test_a_model_that_is_not_here_is_known_by_its_name_or_by_what_the_pipeline_says(spec, known):
    """Its file lies on the server that runs it."""
    assert network_input(spec) == known


def test_a_variant_has_the_size_that_is_asked_for():
    inputs = NetworkInputs({"big": NetworkInput((480, 864), LetterboxMode.STRETCH)})
    assert inputs.get("big").size == (480, 864)
    assert inputs.get("big", 320).size == (320, 320)
    assert inputs.get("big", (96, 64)).size == (96, 64)
    assert inputs.get("own", 320) is None
