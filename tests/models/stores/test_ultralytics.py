"""Ultralytics' weights: exported once for a CPU, the same on torch; fetched by name, or a plain word why not."""

import logging
import os

import cv2
import numpy as np
import pytest

from tests.models.networks import random_yolo
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.output_decoders.yolo import Yolo
from vidpipe.models.load import load_detector
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes.openvino import OpenVINONetwork
from vidpipe.models.runtimes.torch import TorchNetwork
from vidpipe.models.stores import ultralytics

SIZE = 160


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A YOLO11n of random weights, saved as Ultralytics does; its classes are called 0 to 79."""
    folder = tmp_path_factory.mktemp("checkpoint")
    before = os.environ.get("VIDPIPE_CACHE")
    os.environ["VIDPIPE_CACHE"] = str(folder / "cache")
    try:
        return random_yolo(folder / "mine.pt")
    finally:
        os.environ.pop("VIDPIPE_CACHE") if before is None else os.environ.update(VIDPIPE_CACHE=before)


@pytest.fixture(scope="session")
def picture():
    return np.random.default_rng(0).integers(0, 255, (120, 200, 3)).astype(np.uint8)


@pytest.mark.long
def test_a_pt_is_exported_once(checkpoint, picture, cache, caplog):
    caplog.set_level(logging.INFO)
    spec = ModelSpec(path=str(checkpoint), trust=True, size=SIZE)

    first = load_detector(spec, Classes({}))
    assert [record.getMessage() for record in caplog.records] == [
        "exporting mine.pt to OpenVINO at 160 x 160, once: on a CPU it runs 7 to 10 times faster so"
    ]
    assert len(list(cache.glob("exported/*"))) == 1
    assert list(checkpoint.parent.glob("*openvino*")) == []

    caplog.clear()
    again = load_detector(spec, Classes({}))
    assert not caplog.records
    np.testing.assert_array_equal(again.detect([picture])[0].xyxy, first.detect([picture])[0].xyxy)


def test_torch_and_openvino_agree(checkpoint, picture):
    size = (96, 160)
    networks = TorchNetwork(checkpoint, size, None), OpenVINONetwork(ultralytics.exported(checkpoint, size), None, None)
    outputs = []
    for network in networks:
        session = network.compile(Yolo.pixels)
        session.pictures[0] = cv2.resize(picture, size[::-1])
        outputs.append(np.array(session.run(1)[0]))

    on_torch, on_openvino = outputs  # which may compute in bfloat16
    assert on_torch[:, 4:].max() > 0.2
    np.testing.assert_allclose(on_openvino[:, :4], on_torch[:, :4], atol=2)
    np.testing.assert_allclose(on_openvino[:, 4:], on_torch[:, 4:], atol=0.02)


def test_a_detector_on_torch(checkpoint, picture):
    """Pictures go through the network in batches: each has the answer that it has alone."""
    classes = Classes({"low": [str(n) for n in range(40)], "high": [str(n) for n in range(40, 80)]})
    spec = ModelSpec(path=str(checkpoint), trust=True, size=SIZE, runtime="torch", threshold=0.1)
    detector = load_detector(spec, classes)
    pictures = [picture[:, : 200 - 10 * i] for i in range(10)]

    together = detector.detect(pictures)
    alone = [detector.detect([one])[0] for one in pictures]

    assert {name for found in together for name in found.data["class_name"]} == {"low", "high"}
    for found, expected in zip(together, alone, strict=True):
        assert len(found) == len(expected) > 0
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)


@pytest.mark.parametrize("runtime", [None, "torch"])
def test_damaged_pt(tmp_path, runtime):
    (tmp_path / "bad.pt").write_bytes(b"PK not a checkpoint")
    with pytest.raises(ModelError, match=r"bad.pt: Ultralytics cannot read it: ") as raised:
        load_detector(ModelSpec(path=str(tmp_path / "bad.pt"), trust=True, runtime=runtime), Classes({}))
    assert "\n" not in str(raised.value)
    assert "exporting" not in str(raised.value)


def test_size_of_a_pt_is_checked_before_the_export(checkpoint, cache):
    with pytest.raises(ModelError, match="multiple of 32; nearest: 160 x 160"):
        load_detector(ModelSpec(path=str(checkpoint), trust=True, size=150), Classes({}))
    assert not cache.exists()


@pytest.fixture
def release(mirror):
    """The folder of Ultralytics' release at GitHub, as the mirror has it."""
    folder = mirror / "github.com" / "ultralytics" / "assets" / "releases" / "download" / "v8.4.0"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.long
def test_weights_are_fetched_by_name(release, checkpoint, cache, picture):
    (release / "yolo11n.pt").write_bytes(checkpoint.read_bytes())

    detector = load_detector(ModelSpec(path="yolo11n", size=SIZE, threshold=0.05), Classes({"car": ["car"]}))

    assert set(detector.detect([picture])[0].data["class_name"]) <= {"car"}
    assert resolve(ModelSpec(path="yolo11n")).file == cache / "models" / "yolo11n.pt"
    assert [file.name for file in (cache / "models").iterdir()] == ["yolo11n.pt"]


def test_weights_that_the_release_has_not(release, cache):
    with pytest.raises(
        ModelError, match=r"yolo11s.pt cannot be reached \(File not found\): fetch it elsewhere and put it at"
    ):
        ultralytics.fetch("yolo11s")
    assert not cache.exists()
