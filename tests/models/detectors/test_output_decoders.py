"""Each family reads its own outputs, in both runtimes, and says so when they are another's."""

import numpy as np
import pytest

from tests.models.networks import (
    atss_outputs,
    constant_network,
    ssd_table,
    tfod_outputs,
    yolo_columns,
    yolo_rows,
    yolo_suppressed,
    yolox_rows,
)
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector

NAMES = ["cat", "dog", "cow"]
# Centre x, y, width, height in pixels of a 64 x 64 input; class; score.
BOXES = [(20, 24, 16, 16, 1, 0.9), (44, 40, 8, 24, 2, 0.7), (44, 24, 8, 8, 0, 0.1)]
PICTURE = np.zeros((128, 256, 3), np.uint8)  # twice as wide as high

# The same boxes in the picture: stretched x 4, y 2; letterboxed both 4, with 16 rows of grey above or below.
STRETCHED = [(48, 32, 112, 64), (160, 56, 192, 104)]
CENTRED = [(48, 0, 112, 64), (160, 48, 192, 128)]
CORNERED = [(48, 64, 112, 128), (160, 112, 192, 128)]

FAMILIES = {
    "yolo-v8": ("yolo", {"out": yolo_columns(BOXES, 3)}, CENTRED),
    "yolo-v8-in-parts": ("yolo", {"out": yolo_columns([(*np.array(b[:4]) / 64, *b[4:]) for b in BOXES], 3)}, CENTRED),
    "yolo-v5": ("yolo", {"out": yolo_rows(BOXES, 3)}, CENTRED),
    "yolo-suppressed": ("yolo", {"out": yolo_suppressed(BOXES)}, CENTRED),
    "yolox": ("yolox", {"out": yolox_rows(BOXES, 3)}, CORNERED),
    "ssd": ("ssd", {"out": ssd_table(BOXES)}, STRETCHED),
    "atss": ("atss", atss_outputs(BOXES), STRETCHED),
    "atss-turned-round": ("atss", dict(reversed(atss_outputs(BOXES).items())), STRETCHED),
    "tfod": ("tfod", tfod_outputs(BOXES), STRETCHED),
}


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("family", "outputs", "expected"), FAMILIES.values(), ids=FAMILIES)
def test_boxes_come_back_in_pixels_of_the_picture(tmp_path, family, outputs, expected, runtime):
    file = constant_network(tmp_path / "net.onnx", outputs)
    spec = ModelSpec(path=str(file), names=NAMES, threshold=0.5, runtime=runtime)

    (found,) = load_detector(spec, Classes({})).detect([PICTURE])  # the family is told by the outputs

    np.testing.assert_allclose(found.xyxy, expected, atol=0.01)
    np.testing.assert_allclose(found.confidence, [0.9, 0.7], atol=1e-5)
    assert found.data["class_name"].tolist() == ["dog", "cow"]


@pytest.mark.parametrize(("family", "outputs", "_boxes"), FAMILIES.values(), ids=FAMILIES)
def test_floor_replaces_the_threshold(tmp_path, family, outputs, _boxes):
    file = constant_network(tmp_path / "net.onnx", outputs)
    detector = load_detector(ModelSpec(path=str(file), family=family, names=NAMES, threshold=0.8), Classes({}))

    counts = {floor: len(detector.detect([PICTURE], floor)[0]) for floor in (None, 0.5, 0.05, 0.95)}

    assert counts == {None: 1, 0.5: 2, 0.05: 3, 0.95: 0}


@pytest.mark.parametrize(
    ("family", "outputs", "says"),
    [
        ("yolo", {"out": ssd_table(BOXES)}, r"family yolo does not fit its outputs out \[1,1,10,7\]: set family: ssd"),
        ("yolo", {"out": yolox_rows(BOXES, 3)}, r"\[1,84,8\]: set family: yolox"),
        ("yolox", {"out": yolo_columns(BOXES, 3)}, r"\[1,7,84\]: set family: yolo$"),
        ("ssd", atss_outputs(BOXES), r"boxes \[3,5\], labels \[3\]: set family: atss"),
        ("ssd", tfod_outputs(BOXES), r"set family: tfod"),
        ("ssd", {"out": np.zeros((1, 9), np.float32)}, r"vidpipe reads yolo, yolox, ssd, atss, tfod"),
        (None, {"out": np.zeros((1, 9), np.float32)}, r"no family fits its outputs out \[1,9\]"),
    ],
)
def test_outputs_of_another_family(tmp_path, family, outputs, says):
    file = constant_network(tmp_path / "net.onnx", outputs)
    with pytest.raises(ModelError, match=says):
        load_detector(ModelSpec(path=str(file), family=family, names=NAMES), Classes({}))


def test_suppression_inside_the_network_is_left_alone(tmp_path):
    """Two boxes that overlap by .8: a network that keeps both means both."""
    near = [(32, 32, 20, 20, 0, 0.9), (34, 32, 20, 20, 0, 0.8)]
    inside = constant_network(tmp_path / "inside.onnx", {"out": yolo_suppressed(near)})
    outside = constant_network(tmp_path / "outside.onnx", {"out": yolo_columns(near, 3)})

    kept = [
        len(load_detector(ModelSpec(path=str(file), names=NAMES), Classes({})).detect([PICTURE])[0])
        for file in (inside, outside)
    ]

    assert kept == [2, 1]
