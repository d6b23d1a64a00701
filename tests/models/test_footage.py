"""Real networks on real footage, against human labels."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv

from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.load import load_detector, load_embedder

pytestmark = pytest.mark.footage

EVERY = 40  # pictures of vtest: 20 are looked at
STREET = Classes({"person": ["person"], "vehicle": ["car", "bus", "truck", "vehicle"], "bike": ["bicycle", "bike"]})
PERSON = Classes({"person": ["person"]})


@pytest.fixture(scope="module")
def labelled(assets) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of the campus crossing, each with the boxes xyxy of the people in it."""
    rows = np.loadtxt(assets / "truth" / "vtest.txt", delimiter=",")[:, [0, 2, 3, 4, 5]]
    rows[:, 3:] += rows[:, 1:3]
    return [(picture, rows[rows[:, 0] == index + 1, 1:]) for index, picture in _pictures(assets)]


def _pictures(assets: Path) -> Iterator[tuple[int, np.ndarray]]:
    video = cv2.VideoCapture(str(assets / "videos" / "vtest.avi"))
    index = 0
    while video.grab():
        if index % EVERY == 0:
            yield index, video.retrieve()[1]
        index += 1


def load(assets, file, classes=PERSON, **settings):
    return load_detector(ModelSpec(path=file, **settings), classes, search_paths=[assets / "models"])


def precision_and_recall(detector, labelled):
    """One-to-one at an IoU of at least a half."""
    right = found = there = 0
    for picture, truth in labelled:
        (people,) = detector.detect([picture])
        overlaps = sv.box_iou_batch(truth, people.xyxy)
        found, there = found + len(people), there + len(truth)
        while overlaps.size and overlaps.max() >= 0.5:
            row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
            overlaps[row], overlaps[:, column] = 0, 0
            right += 1
    return right / found, right / there


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "runtime", "precision", "recall"),
    [
        ("person-vehicle-bike-detection-2000.xml", None, 0.85, 0.75),
        ("person-vehicle-bike-detection-2001.xml", None, 0.85, 0.82),
        ("person-vehicle-bike-detection-2002.xml", None, 0.85, 0.85),
        ("person-vehicle-bike-detection-2003.xml", None, 0.90, 0.87),
        ("yolox_nano.onnx", None, 0.70, 0.85),
        ("yolox_nano.onnx", "onnxruntime", 0.70, 0.85),
        ("yolov8n_int8.tflite", None, 0.80, 0.85),
    ],
)
def test_people_are_found_where_humans_see_them(assets, labelled, file, runtime, precision, recall):
    right, seen = precision_and_recall(load(assets, file, runtime=runtime), labelled)
    assert right >= precision
    assert seen >= recall


@pytest.mark.long
def test_slicing_finds_at_least_as_many_and_no_fragments(assets, labelled):
    sliced = load(assets, "person-vehicle-bike-detection-2003.xml", slicing=Slicing())
    precision, recall = precision_and_recall(sliced, labelled[::2])
    assert precision >= 0.85
    assert recall >= 0.9
    (people,) = sliced.detect([labelled[0][0]])
    areas = (people.xyxy[:, 2:] - people.xyxy[:, :2]).prod(axis=1)
    corners = np.maximum(people.xyxy[:, None, :2], people.xyxy[None, :, :2])
    overlap = np.clip(np.minimum(people.xyxy[:, None, 2:], people.xyxy[None, :, 2:]) - corners, 0, None).prod(axis=2)
    np.fill_diagonal(overlap, 0)
    assert (overlap / np.minimum(areas[:, None], areas[None])).max() <= 0.7


def test_both_runtimes_give_the_same_boxes(assets, labelled):
    """As near as bfloat16, in which OpenVINO computes where the CPU can, lets them."""
    on_openvino, on_onnxruntime = (
        load(assets, "yolox_nano.onnx", runtime=name) for name in ("openvino", "onnxruntime")
    )
    for picture, _ in labelled[:5]:
        expected, found = on_onnxruntime.detect([picture])[0], on_openvino.detect([picture], 0.2)[0]
        sure = expected[expected.confidence > 0.4]
        overlaps = sv.box_iou_batch(sure.xyxy, found.xyxy)
        assert (overlaps.max(axis=1) > 0.9).all()
        np.testing.assert_allclose(found.confidence[overlaps.argmax(axis=1)], sure.confidence, atol=0.05)


@pytest.mark.long
def test_cars_are_vehicles(assets):
    video = cv2.VideoCapture(str(assets / "videos" / "junction.mp4"))
    picture = video.read()[1]
    for file in ("person-vehicle-bike-detection-2003.xml", "yolox_nano.onnx"):
        names = load(assets, file, STREET).detect([picture])[0].data["class_name"].tolist()
        assert names.count("vehicle") >= 6
        assert set(names) <= set(STREET.names)


@pytest.mark.parametrize(
    ("file", "wrong", "says"),
    [
        ("person-vehicle-bike-detection-2000.xml", "yolo", r"detection_out \[1,1,200,7\]: set family: ssd"),
        ("person-vehicle-bike-detection-2003.xml", "ssd", r"boxes \[\?,5\], labels \[\?\]: set family: atss"),
        ("yolox_nano.onnx", "yolo", r"\[1,3549,85\]: set family: yolox"),
        ("yolov8n_int8.tflite", "yolox", r"\[1,84,8400\]: set family: yolo"),
        ("mobilenet_v1_embedding_extractor.tflite", "yolo", r"\[1,1,1,1024\]: vidpipe reads"),
    ],
)
def test_the_wrong_family(assets, file, wrong, says):
    with pytest.raises(ModelError, match=says):
        load(assets, file, family=wrong, names=["person"])


def test_the_right_family_needs_not_be_said(assets, tmp_path):
    for suffix in ("xml", "bin"):  # under a name that the catalogue does not know
        (tmp_path / f"mine.{suffix}").symlink_to(assets / "models" / f"person-vehicle-bike-detection-2000.{suffix}")
    detector = load(tmp_path, str(tmp_path / "mine.xml"), names=["vehicle", "person", "bike"])
    assert detector.detect([np.zeros((9, 9, 3), np.uint8)])[0].data["class_name"].tolist() == []


@pytest.mark.parametrize(
    ("file", "size", "says"),
    [("yolov8n_int8.tflite", 320, "only its own 640 x 640"), ("yolox_nano.onnx", 300, "multiple of 32")],
)
def test_sizes_that_a_network_does_not_take(assets, file, size, says):
    with pytest.raises(ModelError, match=says):
        load(assets, file, size=size)


def test_another_size(assets, labelled):
    smaller = load(assets, "yolox_nano.onnx", size=(320, 416))  # as wide, without the grey below
    assert precision_and_recall(smaller, labelled[:6])[1] >= 0.8


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize(
    ("model", "damaged"),
    [
        ("person-vehicle-bike-detection-2000.xml", "person-vehicle-bike-detection-2000.bin"),
        ("person-vehicle-bike-detection-2000.xml", "person-vehicle-bike-detection-2000.xml"),
        ("yolox_nano.onnx", "yolox_nano.onnx"),
        ("yolov8n_int8.tflite", "yolov8n_int8.tflite"),
    ],
)
def test_damaged_files(assets, tmp_path, model, damaged, share):
    for file in (assets / "models").glob(f"{Path(model).stem}.*"):
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[: int(len(content) * share)] if file.name == damaged else content)
    with pytest.raises(ModelError, match="cannot read it: ") as raised:
        load(tmp_path, str(tmp_path / model), names=["person"])
    assert "\n" not in str(raised.value)


def test_the_same_person_looks_alike(assets):
    """Two looks at each of three people, a second apart: the other look at the same one is the nearest."""
    rows = np.loadtxt(assets / "truth" / "vtest.txt", delimiter=",")
    video = cv2.VideoCapture(str(assets / "videos" / "vtest.avi"))
    pictures = [video.read()[1] for _ in range(12)]
    crops = []
    for index in (0, 11):
        for _, _, x, y, w, h in sorted(map(tuple, rows[rows[:, 0] == index + 1, :6]), key=lambda row: row[1])[:3]:
            crops.append(pictures[index][int(y) : int(y + h), int(x) : int(x + w)])

    embedder = load_embedder(
        ModelSpec(path="mobilenet_v1_embedding_extractor.tflite"), search_paths=[assets / "models"]
    )
    vectors = embedder.embed(crops)

    assert vectors.shape == (6, 1024)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors[:3] @ vectors[3:].T
    assert likeness.argmax(axis=1).tolist() == [0, 1, 2]
