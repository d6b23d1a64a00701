"""Networks that are cut in two. What must hold:

- wherever a network is cut, head and tail together find what the whole network finds;
- of all that crosses each value is at most half a step off, and what is damaged or of another network is refused;
- what cannot be cut says so.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.models.networks import constant_network, mean_network, waisted_network
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.detectors.output_decoders.yolo import Yolo
from vidpipe.models.library import Library
from vidpipe.models.load import load_detector
from vidpipe.models.runtimes.openvino import OpenVINONetwork
from vidpipe.models.split.coding import CodedMaps, decode, encode
from vidpipe.models.split.halves import Head, Tail

CLASSES = Classes({"person": ["person"]})
BOX = (30, 30, 20, 20, 0, 0.9)
DETECTORS = {
    "yolox_nano.onnx": 51,
    "person-vehicle-bike-detection-2000.xml": 63,
    "person-vehicle-bike-detection-2003.xml": 37,
}


@pytest.fixture(scope="module")
def thin(tmp_path_factory):
    return ModelSpec(
        path=str(waisted_network(tmp_path_factory.mktemp("models") / "thin.onnx", [BOX], ["person"])), precision="f32"
    )


def halves(spec, behind=None, classes=CLASSES):
    head = Head(spec, classes, behind, (), 1)
    return head, Tail(spec, classes, head.cut.behind, (), 1)


def bright(level, size=(64, 64)):
    return np.full((*size, 3), level, np.uint8)


def test_it_is_cut_where_it_is_thin(thin):
    head, _ = halves(thin)
    assert head.cut.shapes == ((1, 2, 16, 16),)
    assert head.features(bright(128), 8).maps.data.nbytes < 200


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("size", [(64, 64), (48, 96), (200, 120)])
def test_together_they_find_what_the_whole_network_finds(thin, level, size):
    head, tail = halves(thin)
    (whole,) = load_detector(thin, CLASSES).detect([bright(level, size)])
    found = tail.detect(head.features(bright(level, size), 8), size[::-1])
    assert len(whole) == len(found) == 1
    np.testing.assert_allclose(found.xyxy, whole.xyxy, atol=0.5)


@pytest.mark.long
def test_wherever_it_is_cut_the_tensors_are_those_of_the_whole_network(thin):
    network = OpenVINONetwork(Path(thin.path), None, 1, "f32")
    whole = _outputs_of(network)
    places = 0
    for behind in range(1, len(network.graph) - 1):
        try:
            cut = network.graph.at(behind)
        except ModelError:
            continue
        places += 1
        tail = network.tail(cut)
        head = network.head(cut, Yolo.pixels)
        head.pictures[:] = 77
        np.testing.assert_allclose(tail(head.run(1))[0], whole, rtol=1e-5, atol=1e-4)
    assert places > 10


def _outputs_of(network):
    session = network.compile(Yolo.pixels)
    session.pictures[:] = 77
    return np.array(session.run(1)[0])


@given(
    st.lists(
        arrays(
            np.float32,
            array_shapes(min_dims=2, max_dims=4, max_side=6).map(lambda shape: (1, *shape)),
            elements=st.floats(-1000, 1000, width=32),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(2, 8),
)
def test_each_value_is_at_most_half_a_step_off(maps, bits):
    coded = encode(maps, bits)
    for sent, got in zip(maps, decode(coded), strict=True):
        assert got.shape == sent.shape
        rows = sent.reshape(sent.shape[1], -1)
        step = (rows.max(axis=1) - rows.min(axis=1)) / (2**bits - 1)
        off = np.abs(got.reshape(rows.shape) - rows).max(axis=1)
        assert (off <= step / 2 + 1e-3).all()


@settings(max_examples=50)
@given(st.binary(max_size=300), st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=4), min_size=1, max_size=3))
def test_whatever_bytes_come_they_are_maps_or_refused(data, shapes):
    coded = CodedMaps(np.frombuffer(data, np.uint8), tuple(map(tuple, shapes)), 4)
    with suppress(ModelError):
        assert [each.shape for each in decode(coded)] == list(coded.shapes)


def test_features_of_another_network_are_refused(thin, tmp_path):
    other = ModelSpec(path=str(waisted_network(tmp_path / "other.onnx", [BOX], ["person"], size=(96, 96))))
    head, _ = halves(other)
    _, tail = halves(thin)
    with pytest.raises(ModelError, match="features of another network"):
        tail.detect(head.features(bright(1), 8), (64, 64))


def test_what_cannot_be_cut_says_why(tmp_path):
    """Nowhere thin, of any size, no network at all, not of OpenVINO, looked at in tiles, a place that is none."""
    constant = constant_network(
        tmp_path / "c.onnx", {"out": np.zeros((1, 5, 84), np.float32)}, metadata={"names": "{0: 'person'}"}
    )
    for spec, behind, why in (
        (ModelSpec(path=str(constant)), 900, "behind operation 900"),
        (ModelSpec(path=str(constant), runtime="onnxruntime"), None, "only OpenVINO"),
        (ModelSpec(path=str(constant), slicing=Slicing()), None, "tiles"),
        (ModelSpec(path=str(tmp_path / "nothing.onnx")), None, "no such file"),
    ):
        with pytest.raises(ModelError, match=why):
            Head(spec, CLASSES, behind, (), 1)
    network = OpenVINONetwork(mean_network(tmp_path / "any.onnx", size=("h", "w")), (8, 8), 1)
    assert len(network.graph)


def test_each_half_is_metered_by_itself(thin):
    library = Library({"thin": thin}, CLASSES, (), 1)
    features = library.head("thin", None).features(bright(9), 5)
    library.tail("thin", features.behind).detect(features, (64, 64))
    assert {name: calls for name, (calls, *_) in library.meters().items()} == {"thin/head": 1, "thin/tail": 1}
    with pytest.raises(ModelError, match="no such model; nearest: thin"):
        library.tail("thim", 3)


@pytest.mark.long
@pytest.mark.footage
@pytest.mark.parametrize(("file", "behind"), DETECTORS.items())
def test_real_networks_are_cut_where_they_are_thin(assets, file, behind):
    """Of the vendor's networks, MobileNets with thin layers between wide ones, and of YOLOX."""
    spec = ModelSpec(path=str(assets / "models" / file), threads=1, precision="f32")
    head, tail = halves(spec, classes=Classes({}))
    assert head.cut.behind == behind
    _, picture = cv2.VideoCapture(str(assets / "videos" / "vtest.avi")).read()
    (whole,) = load_detector(spec, Classes({})).detect([picture])
    found = tail.detect(head.features(picture, 8), picture.shape[1::-1])
    assert len(found) == len(whole) > 3
    np.testing.assert_allclose(np.sort(found.xyxy, axis=0), np.sort(whole.xyxy, axis=0), atol=3)
