"""A detector speaks in the pipeline's classes, whatever its network calls them."""

import numpy as np
import pytest

from tests.models.networks import constant_network, ssd_table, yolo_columns
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import Labels
from vidpipe.models.load import load_detector

NAMES = ["car", "truck", "person", "horse"]
PICTURE = np.zeros((64, 64, 3), np.uint8)
STREET = {"person": ["person", "pedestrian"], "vehicle": ["truck", "car"]}
APART = [(10, 10, 8, 8, 0, 0.9), (30, 10, 8, 8, 1, 0.8), (50, 10, 8, 8, 2, 0.7), (10, 40, 8, 8, 3, 0.6)]


@pytest.fixture
def network(tmp_path):
    def build(boxes):
        return str(constant_network(tmp_path / "net.onnx", {"out": yolo_columns(boxes, len(NAMES))}))

    return build


@pytest.mark.parametrize(
    ("mapping", "found"),
    [
        ({}, [("car", 0), ("truck", 1), ("person", 2), ("horse", 3)]),
        (STREET, [("vehicle", 1), ("vehicle", 1), ("person", 0)]),
        ({"animal": ["horse"], "boat": ["boat"]}, [("animal", 0)]),
    ],
)
def test_classes_are_the_pipelines(network, mapping, found):
    detector = load_detector(ModelSpec(path=network(APART), names=NAMES), Classes(mapping))
    (detections,) = detector.detect([PICTURE])
    assert list(zip(detections.data["class_name"].tolist(), detections.class_id.tolist(), strict=True)) == found


def test_no_class_in_common(network):
    with pytest.raises(ModelError, match=r"knows none of the pipeline's classes; it knows car, truck, person, horse"):
        load_detector(ModelSpec(path=network(APART), names=NAMES), Classes({"boat": ["boat"]}))


@pytest.mark.parametrize(
    ("threshold", "scores"),
    [
        (0.75, [0.9, 0.8]),
        ({"vehicle": 0.85, "person": 0.1}, [0.9, 0.7]),
        ({"vehicle": 0.85}, [0.9, 0.7]),  # a person: the family's own .25
        (0.01, [0.9, 0.8, 0.7]),
        (1.0, []),
    ],
)
def test_thresholds_are_by_class_of_the_pipeline(network, threshold, scores):
    detector = load_detector(ModelSpec(path=network(APART), names=NAMES, threshold=threshold), Classes(STREET))

    (detections,) = detector.detect([PICTURE])
    np.testing.assert_allclose(detections.confidence, scores, atol=1e-6)

    (all_of_them,) = detector.detect([PICTURE], floor=0.001)
    sure = detector.keep_sure(all_of_them)
    np.testing.assert_allclose(sure.confidence, scores, atol=1e-6)
    assert sure.data["class_name"].tolist() == ["vehicle" if score > 0.75 else "person" for score in scores]


def test_threshold_for_no_class_of_the_pipeline(network):
    spec = ModelSpec(path=network(APART), names=NAMES, threshold={"vehicel": 0.5})
    with pytest.raises(
        ModelError, match=r"threshold for 'vehicel', which is no class of the pipeline; nearest: vehicle"
    ):
        load_detector(spec, Classes(STREET))


@pytest.mark.parametrize(
    ("second", "left"),
    [
        ((32, 32, 20, 20, 0, 0.8), ["vehicle"]),  # the same car twice
        ((32, 32, 20, 20, 1, 0.8), ["vehicle"]),  # a car taken for a truck too: one vehicle
        ((32, 32, 20, 20, 2, 0.8), ["vehicle", "person"]),  # its driver
        ((44, 32, 20, 20, 0, 0.8), ["vehicle", "vehicle"]),  # the next car
    ],
)
def test_one_box_for_each_object_of_a_class(network, second, left):
    boxes = [(32, 32, 20, 20, 0, 0.9), second]
    detector = load_detector(ModelSpec(path=network(boxes), names=NAMES), Classes(STREET))
    assert detector.detect([PICTURE])[0].data["class_name"].tolist() == left


def test_two_names_of_one_class_are_suppressed_even_where_the_network_suppresses(tmp_path):
    boxes = [(32, 32, 20, 20, 0, 0.9), (32, 32, 20, 20, 1, 0.8)]
    file = constant_network(tmp_path / "net.onnx", {"out": ssd_table(boxes)})
    detector = load_detector(ModelSpec(path=str(file), names=NAMES), Classes(STREET))
    assert len(detector.detect([PICTURE])[0]) == 1


def test_nothing_found_still_has_its_columns(network):
    detector = load_detector(ModelSpec(path=network([]), names=NAMES), Classes(STREET))
    (nothing,) = detector.detect([PICTURE])

    assert nothing.xyxy.shape == (0, 4)
    assert nothing.confidence.shape == nothing.class_id.shape == nothing.data["class_name"].shape == (0,)
    assert nothing.data["class_name"].dtype.kind == "U"
    assert len(detector.keep_sure(nothing)) == 0


def test_each_picture_has_its_own_answer(network):
    detector = load_detector(ModelSpec(path=network(APART), names=NAMES), Classes(STREET))
    small, large = detector.detect([PICTURE, np.zeros((128, 128, 3), np.uint8)])
    np.testing.assert_allclose(large.xyxy, small.xyxy * 2, atol=1e-3)
    assert detector.detect([]) == []


def test_answers_outlive_the_next_call(network):
    """Outputs of a runtime are views of its memory: an answer must not be."""
    detector = load_detector(ModelSpec(path=network(APART), names=NAMES), Classes(STREET))
    (first,) = detector.detect([PICTURE])
    before = first.xyxy.copy()
    detector.detect([np.full((32, 99, 3), 200, np.uint8)])
    np.testing.assert_array_equal(first.xyxy, before)


def test_boxes_are_clipped_and_lines_left_out(network):
    boxes = [(0, 0, 20, 20, 0, 0.9), (70, 30, 10, 10, 2, 0.8)]  # half outside; all outside
    (found,) = load_detector(ModelSpec(path=network(boxes), names=NAMES), Classes({})).detect([PICTURE])
    np.testing.assert_allclose(found.xyxy, [(0, 0, 10, 10)], atol=1e-4)


def test_class_numbers_beyond_the_names_are_left_out(tmp_path):
    boxes = [(10, 10, 8, 8, 0, 0.9), (30, 10, 8, 8, 7, 0.8)]
    file = constant_network(tmp_path / "net.onnx", {"out": ssd_table(boxes)})
    (found,) = load_detector(ModelSpec(path=str(file), names=["car"]), Classes({})).detect([PICTURE])
    assert found.data["class_name"].tolist() == ["car"]


@pytest.mark.parametrize(
    ("names", "says"),
    [(None, r"does not name its classes \(4 of them\)"), (["car"], r"1 names for a network of 4 classes")],
)
def test_names_must_fit_the_network(network, names, says):
    with pytest.raises(ModelError, match=says):
        load_detector(ModelSpec(path=network(APART), names=names), Classes({}))


def test_scores_that_are_no_numbers_never_count():
    labels = Labels("net", ["person"], Classes({}), 0.4, 0.3)
    scores = np.array([0.9, np.nan, 0.2], np.float32)
    assert labels.of(np.zeros(3, np.int64), scores, None).kept.tolist() == [0]
    assert labels.of(np.zeros(3, np.int64), scores, 0.1).kept.tolist() == [0, 2]
