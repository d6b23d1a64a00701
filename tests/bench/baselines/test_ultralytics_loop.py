"""Ultralytics' own loop as a candidate: frames counted as ours are, results held, only where the model is its own."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import yaml

from tests import clips
from vidpipe.bench.baselines.ultralytics_loop import UltralyticsLoop, applies, unfit_torchvision
from vidpipe.bench.cost.measure import measure
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.runtimes.checkpoint import quiet
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.sources.base import StreamSpec

CLASSES = Classes({"low": [str(n) for n in range(40)], "high": [str(n) for n in range(40, 70)]})
SIZE = 96


@pytest.fixture(autouse=True)
def suppression(monkeypatch):
    """Where torchvision does not fit torch, Ultralytics' own suppression, which "matches torchvision exactly"."""
    if unfit_torchvision():
        with quiet():
            from ultralytics.utils.nms import TorchNMS

        own = ModuleType("torchvision")
        own.ops = SimpleNamespace(nms=TorchNMS.nms)
        monkeypatch.setitem(sys.modules, "torchvision", own)


def loop(clip, checkpoint, stride=1, threshold=0.3, **spec):
    return UltralyticsLoop(
        "cam",
        StreamSpec(url=str(clip), **spec),
        "big",
        ModelSpec(path=str(checkpoint), trust=True, size=SIZE, threshold=threshold),
        CLASSES,
        stride,
    )


def ran(job, tmp_path):
    report = job.run(tmp_path / "results.jsonl")
    return [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()], report


@pytest.fixture
def expected(clip, checkpoint):
    """What `predict` itself says of each frame, one by one."""
    with quiet():
        from ultralytics import YOLO

        said = YOLO(checkpoint).predict(str(clip), stream=True, imgsz=SIZE, conf=0.3, classes=list(range(70)))
        return [[(np.round(box[:4], 2).tolist(), int(box[5])) for box in each.boxes.data.numpy()] for each in said]


def found(line):
    return [(box["xyxy"], box["class"]) for box in line["detections"]]


@pytest.mark.parametrize("stride", [1, 3, 7])
def test_every_frame_has_the_result_that_holds(clip, checkpoint, expected, tmp_path, stride):
    lines, report = ran(loop(clip, checkpoint, stride), tmp_path)
    assert len(expected) == clips.FRAMES
    assert any(expected)
    assert len({str(boxes) for boxes in expected}) > 10
    assert [line["seq"] for line in lines] == list(range(clips.FRAMES))
    np.testing.assert_allclose([line["pts"] for line in lines], np.arange(clips.FRAMES) / clips.FPS, atol=1e-5)
    predictions = [seq for seq in range(clips.FRAMES) if seq % stride == stride - 1]
    assert [line["seq"] for line in lines if line["how"] == "measured"] == predictions
    assert [line["as_of"] for line in lines] == [
        max([-1, *(s for s in predictions if s <= at)]) for at in range(clips.FRAMES)
    ]
    for line in lines:
        held = expected[line["as_of"]] if line["as_of"] >= 0 else []
        assert found(line) == [(pytest.approx(xyxy, abs=0.02), "low" if n < 40 else "high") for xyxy, n in held]
    assert report["models"]["big"]["calls"] == len(predictions)
    assert report["streams"]["cam"]["notes"] == []


def test_the_report_is_a_runs(clip, checkpoint, tmp_path):
    _, report = ran(loop(clip, checkpoint, 2), tmp_path)
    assert report["streams"]["cam"]["how"] == {"measured": 15, "skipped": 15}
    assert report["streams"]["cam"]["by"] == {"ultralytics": 30}
    assert report["stages"] == {}
    assert report["links"] == {}
    assert 0 < report["models"]["big"]["cpu_ms"] * 15 / 1000 <= report["cpu_s"] + 0.1
    assert report["start_up_cpu_s"] > 0


@pytest.mark.parametrize(("start_s", "end_s"), [(0.4, None), (0.0, 0.8), (0.3, 0.9)])
def test_a_part_is_the_same_frames(clip, checkpoint, tmp_path, start_s, end_s):
    """Also where it begins between two key frames."""
    whole, _ = ran(loop(clip, checkpoint), tmp_path)
    part, _ = ran(loop(clip, checkpoint, start_s=start_s, end_s=end_s), tmp_path)
    inside = [line for line in whole if start_s <= line["pts"] + 1e-6 and line["pts"] + 1e-6 < (end_s or 99)]
    assert [(line["pts"], line["detections"]) for line in part] == [
        (line["pts"], line["detections"]) for line in inside
    ]
    assert [line["seq"] for line in part] == list(range(len(inside)))


def test_thresholds_by_class(clip, checkpoint, tmp_path):
    """The higher one of a class is honoured beside the lower one of another, which Ultralytics is given."""
    alike, _ = ran(loop(clip, checkpoint, 5), tmp_path)
    best = max(box["score"] for box in boxes_of(alike, "low")) - 0.001
    apart, _ = ran(loop(clip, checkpoint, 5, {"low": best, "high": 0.3}), tmp_path)
    assert boxes_of(apart, "high") == boxes_of(alike, "high")
    assert boxes_of(apart, "low") == [box for box in boxes_of(alike, "low") if box["score"] > best]
    assert 0 < len(boxes_of(apart, "low")) < len(boxes_of(alike, "low"))


def boxes_of(lines, name):
    return [box for line in lines for box in line["detections"] if box["class"] == name]


def test_it_runs_in_a_process_of_its_own(clip, checkpoint, tmp_path):
    if unfit_torchvision():
        pytest.skip("torchvision does not fit torch")
    job = pickle.loads(pickle.dumps(loop(clip, checkpoint, 10)))
    measured = measure(job, tmp_path / "results.jsonl")
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == clips.FRAMES
    assert measured.report["models"]["big"]["calls"] == 3


def test_a_model_that_knows_no_class(clip, checkpoint, tmp_path):
    job = replace(loop(clip, checkpoint), classes=Classes({"person": ["person"]}))
    with pytest.raises(ModelError, match="knows none of the pipeline's classes"):
        job.run(tmp_path / "results.jsonl")


@pytest.fixture
def models(tmp_path):
    """Files that are told by their names and what is written beside them."""
    for name in ("mine.pt", "net.onnx", "omz.xml", "omz.bin"):
        (tmp_path / name).write_bytes(b"")
    folder = tmp_path / "mine_openvino_model"
    folder.mkdir()
    (folder / "mine.xml").touch()
    (folder / "mine.bin").touch()
    told = {"author": "Ultralytics", "task": "detect", "names": {0: "a"}, "imgsz": [64, 64]}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(told))
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "stream", "why"),
    [
        ({"path": "mine.pt", "trust": True}, {}, None),
        ({"path": "yolo11n"}, {}, None),
        ({"path": "mine_openvino_model"}, {}, None),
        ({"path": "omz.xml", "family": "ssd"}, {}, "model omz.xml is none of Ultralytics'"),
        ({"path": "net.onnx", "family": "yolox"}, {}, "model net.onnx is none of Ultralytics'"),
        ({"path": "yolo11n", "slicing": Slicing()}, {}, "model yolo11n looks at tiles too, which the loop does not"),
        (
            {"path": "yolo11n"},
            {"mask": [[(0, 0), (1, 0), (0, 1)]]},
            "stream cam hides parts of its picture, which the loop would see",
        ),
    ],
)
def test_applies(models, spec, stream, why):
    streams = {"cam": Stream(StreamSpec(url="clip.mp4", **stream))}
    pipeline = Pipeline("mine", CLASSES, {}, (), streams, search_paths=(str(models),))
    assert applies(ModelSpec(**spec), pipeline) == (why or unfit_torchvision())


def test_torchvision_must_fit(models, monkeypatch):
    """Another torchvision than torch's own cannot be imported, and Ultralytics reads no video without."""
    (models / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.setenv("PYTHONPATH", str(models))
    unfit_torchvision.cache_clear()
    pipeline = Pipeline("mine", CLASSES, {}, (), {}, search_paths=(str(models),))
    said = applies(ModelSpec(path="mine.pt", trust=True), pipeline)
    unfit_torchvision.cache_clear()
    assert said == (
        "the torchvision that is installed does not fit torch "
        "(RuntimeError: operator torchvision::nms does not exist): install the one that does"
    )
