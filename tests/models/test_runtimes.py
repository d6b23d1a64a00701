"""Runtimes give a network the pixels that it wants, and take one line to say what is wrong with a file."""

import numpy as np
import openvino as ov
import pytest
from onnx import TensorProto

from tests.models.networks import constant_network, mean_network, yolo_columns
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector, load_embedder
from vidpipe.models.runtimes import Pixels
from vidpipe.models.runtimes.onnxruntime import OnnxNetwork
from vidpipe.models.runtimes.openvino import OpenVINONetwork, convert

RUNTIMES = pytest.mark.parametrize("runtime", [OpenVINONetwork, OnnxNetwork])
BGR = (10, 100, 200)


@RUNTIMES
@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize(
    ("dtype", "pixels", "expected"),
    [
        (TensorProto.FLOAT, Pixels(rgb=False), (10, 100, 200)),
        (TensorProto.FLOAT, Pixels(rgb=True), (200, 100, 10)),
        (TensorProto.FLOAT, Pixels(rgb=True, scale=1 / 255), (200 / 255, 100 / 255, 10 / 255)),
        (TensorProto.FLOAT16, Pixels(rgb=True, scale=1 / 255), (200 / 255, 100 / 255, 10 / 255)),
        (TensorProto.UINT8, Pixels(rgb=True, scale=1 / 255), (200, 100, 10)),  # a quantised network scales itself
    ],
)
def test_pixels_as_the_network_wants_them(tmp_path, runtime, planar, dtype, pixels, expected):
    file = mean_network(tmp_path / "mean.onnx", planar, dtype)
    session = runtime(file, None, 1).compile(pixels)
    session.pictures[:] = BGR
    np.testing.assert_allclose(session.run(1)[0][0], expected, rtol=0.01)  # OpenVINO may compute in bfloat16


@RUNTIMES
def test_a_network_of_any_size_takes_the_one_asked_for(tmp_path, runtime):
    file = mean_network(tmp_path / "mean.onnx", size=("height", "width"))
    network = runtime(file, (24, 32), 1)
    assert network.size == (24, 32)
    assert network.compile(Pixels(rgb=True)).pictures.shape == (1, 24, 32, 3)
    with pytest.raises(ModelError, match="takes any size: say which by `size`"):
        runtime(file, None, 1)


def test_a_network_of_one_size_says_which(tmp_path):
    file = constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 3)})
    with pytest.raises(ModelError, match=r"cannot take size 96 x 96 in ONNX Runtime, only its own 64 x 64"):
        OnnxNetwork(file, (96, 96), 1)
    assert OpenVINONetwork(file, (96, 96), 1).size == (96, 96)


def test_outputs_that_depend_on_another_size(tmp_path):
    """OpenVINO reshapes this one; its output then still has the cells of the old size, so that no family reads it."""
    file = constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 3)})
    with pytest.raises(ModelError, match=r"family yolo does not fit its outputs"):
        load_detector(ModelSpec(path=str(file), family="yolo", names=["a", "b", "c"], size=96), Classes({}))


@RUNTIMES
@pytest.mark.parametrize("keep", [0, 5, 0.5, 0.99])
def test_damaged_onnx(tmp_path, runtime, keep):
    whole = mean_network(tmp_path / "mean.onnx").read_bytes()
    file = tmp_path / "damaged.onnx"
    file.write_bytes(whole[: int(len(whole) * keep) if keep < 1 else keep])
    with pytest.raises(ModelError, match=r"damaged.onnx: .* cannot read it: ") as raised:
        runtime(file, None, 1)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".bin", ".xml"])
def test_damaged_ir(tmp_path, suffix):
    convert(constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 40)}), tmp_path / "net.xml")
    damaged = tmp_path / f"net{suffix}"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"net.xml: OpenVINO cannot read it: ") as raised:
        OpenVINONetwork(tmp_path / "net.xml", None, 1)
    assert "\n" not in str(raised.value)


def test_a_network_that_takes_no_picture(tmp_path):
    file = mean_network(tmp_path / "mean.onnx", dtype=TensorProto.INT64)
    with pytest.raises(ModelError, match=r"expected one picture as input, found tensor\(int64\)"):
        OnnxNetwork(file, None, 1)


@RUNTIMES
def test_twins_do_not_share_pictures(tmp_path, runtime):
    session = runtime(mean_network(tmp_path / "mean.onnx"), None, 1).compile(Pixels(rgb=False))
    clone = session.clone()
    session.pictures[:], clone.pictures[:] = 50, 90
    assert session.run(1)[0][0, 0] == pytest.approx(50, rel=0.01)
    assert clone.run(1)[0][0, 0] == pytest.approx(90, rel=0.01)


@pytest.mark.parametrize(("own", "used"), [(None, 2), (1, 1)])
def test_a_model_may_have_threads_of_its_own(tmp_path, monkeypatch, own, used):
    compiled = []
    compile_model = ov.Core.compile_model
    monkeypatch.setattr(ov.Core, "compile_model", lambda *given: compiled.append(compile_model(*given)) or compiled[-1])
    file = constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 3)})
    spec = ModelSpec(path=str(file), family="yolo", names=["a", "b", "c"], threads=own)
    load_detector(spec, Classes({}), threads=2)
    assert [network.get_property("INFERENCE_NUM_THREADS") for network in compiled] == [used]
    # Each process would pin them to the same cores, so that two processes on two cores share one.
    assert not any(network.get_property("ENABLE_CPU_PINNING") for network in compiled)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_embeddings_have_length_one(tmp_path, runtime):
    file = mean_network(tmp_path / "mean.onnx")
    embedder = load_embedder(ModelSpec(path=str(file), family="embedder", runtime=runtime))

    vectors = embedder.embed(
        [np.full((h, w, 3), BGR, np.uint8) for h, w in ((8, 8), (50, 20))] + [np.zeros((9, 9, 3), np.uint8)]
    )

    expected = np.array(BGR[::-1]) / np.linalg.norm(BGR)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [expected, expected, (0, 0, 0)], atol=0.01)
    assert embedder.embed([]).shape == (0, 3)


def test_detector_and_embedder_are_not_taken_for_each_other(tmp_path):
    mean = mean_network(tmp_path / "mean.onnx")
    boxes = constant_network(tmp_path / "net.onnx", {"out": yolo_columns([], 3)})
    with pytest.raises(ModelError, match="gives vectors, not boxes"):
        load_detector(ModelSpec(path=str(mean), family="embedder"), Classes({}))
    with pytest.raises(ModelError, match="family yolo gives boxes, not vectors"):
        load_embedder(ModelSpec(path=str(boxes), family="yolo"))
    two = constant_network(
        tmp_path / "two.onnx", {"a": np.zeros((1, 2), np.float32), "b": np.zeros((1, 2), np.float32)}
    )
    with pytest.raises(ModelError, match=r"one output of fixed length, found a \[1,2\], b \[1,2\]"):
        load_embedder(ModelSpec(path=str(two)))
