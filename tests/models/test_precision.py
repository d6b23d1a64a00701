"""What a network computes in: as it is asked for, as far as runtime and CPU can; int8 by a network made of it."""

import logging
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import openvino as ov
import pytest
from onnx import TensorProto

from tests.models.networks import busy_network, constant_network, mean_network, yolo_columns
from vidpipe.core.errors import ModelError, RunError
from vidpipe.models import precisions
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import examine, load_detector
from vidpipe.models.precisions import look_ms, others
from vidpipe.models.quantise import FEWEST, quantise
from vidpipe.models.runtimes import Pixels, nncf, openvino
from vidpipe.models.runtimes.openvino import OpenVINONetwork, convert
from vidpipe.models.stores import int8

PICTURE = np.zeros((64, 64, 3), np.uint8)
BOX, OTHER = (32, 32, 16, 16, 0, 0.9), (32, 32, 16, 16, 1, 0.8)


def network(file, *boxes):
    return constant_network(file, {"out": yolo_columns(boxes, 2)})


def spec_of(file, **more):
    return ModelSpec(path=str(file), family="yolo", names=["a", "b"], **more)


@pytest.fixture
def model(tmp_path):
    """A network that finds an a; and a folder in which its int8 network, which finds a b, is kept."""
    file = network(tmp_path / "net.onnx", BOX)
    stand_in = network(tmp_path / "other.onnx", OTHER)
    folder = tmp_path / "int8"
    made = int8.keep(folder, file, None, 9, lambda target: convert(stand_in, target))
    return SimpleNamespace(file=file, folder=folder, made=made, stand_in=stand_in)


def found(spec):
    return load_detector(spec, Classes({})).detect([PICTURE])[0].data["class_name"].tolist()


@pytest.mark.parametrize(
    ("precision", "able", "told"), [("f32", True, "f32"), ("bf16", True, "bf16"), ("bf16", False, "f32")]
)
def test_openvino_is_told_and_a_cpu_without_bf16_falls_back_and_says_so_once(
    tmp_path, monkeypatch, caplog, precision, able, told
):
    hints = []
    compile_model = ov.Core.compile_model

    def compiled(core, network, device, settings):
        hints.append(settings.pop("INFERENCE_PRECISION_HINT", None))
        return compile_model(core, network, device, settings)

    monkeypatch.setattr(ov.Core, "compile_model", compiled)
    monkeypatch.setattr(openvino, "has_bf16", lambda: able)
    file = network(tmp_path / "net.onnx", BOX)
    with caplog.at_level(logging.WARNING):
        assert [found(spec_of(file, precision=each)) for each in ("auto", precision, precision)] == [["a"]] * 3
    assert hints == [None, told, told]
    lines = [f"model {file.name}: this CPU does not compute in bf16: it runs in f32"]
    assert [record.getMessage() for record in caplog.records] == ([] if able else lines)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"runtime": "onnxruntime", "precision": "f32"}, "runtime onnxruntime does not compute in f32: set `runtime"),
        ({"runtime": "onnxruntime", "precision": "int8", "calibrated": "x"}, "onnxruntime does not compute in int8"),
        ({"precision": "int8"}, "precision int8 takes a network that was calibrated on the stream's frames"),
        ({"precision": "int8", "calibrated": "nowhere"}, "no int8 network of it in nowhere: `vidpipe tune` makes one"),
    ],
)
def test_what_cannot_be_is_told_with_the_way_out_by_check_too(tmp_path, more, why):
    spec = spec_of(network(tmp_path / "net.onnx", BOX), **more)
    with pytest.raises(ModelError, match=why):
        load_detector(spec, Classes({}))
    with pytest.raises(ModelError, match=why):
        examine(spec, Classes({}), ["detector"])


def test_torch_computes_in_f32_and_says_who_can_do_the_rest(tmp_path):
    (tmp_path / "mine.pt").touch()
    spec = ModelSpec(path=str(tmp_path / "mine.pt"), trust=True, runtime="torch", precision="bf16")
    with pytest.raises(ModelError, match="runtime torch does not compute in bf16: set `runtime: openvino`"):
        load_detector(spec, Classes({}))


def test_int8_runs_the_network_that_was_made_and_nothing_else_does(model):
    spec = spec_of(model.file, calibrated=str(model.folder))
    assert found(spec) == ["a"]
    assert found(spec.varied(precision="int8")) == ["b"]
    assert examine(spec.varied(precision="int8"), Classes({}), ["detector"]) is None


def test_a_quantised_file_loads_as_any_other(model):
    assert found(spec_of(model.made)) == ["b"]


def swapped(model):
    """The folder of another model's network, under this one's name."""
    other = int8.keep(model.folder, model.stand_in, None, 9, lambda target: convert(model.file, target)).parent
    model.made.parent.rename(model.folder / "aside")
    other.rename(model.made.parent)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda model: model.made.with_suffix(".bin").write_bytes(b"x"), "is damaged: its files are not what was writ"),
        (lambda model: model.made.write_text(model.made.read_text() + " "), "is damaged: its files are not what was"),
        (lambda model: model.made.with_suffix(".bin").unlink(), "is damaged or not whole"),
        (lambda model: (model.made.parent / "made.json").unlink(), "is damaged or not whole"),
        (lambda model: (model.made.parent / "made.json").write_text("{"), "is damaged or not whole"),
        (swapped, "was made of another network"),
        (lambda model: network(model.file, OTHER), "only of another file of that name, or for another size"),
    ],
)
def test_what_is_damaged_or_of_another_network_is_refused_with_what_to_do(model, harm, why):
    harm(model)
    with pytest.raises(ModelError, match=rf"{why}.*: `vidpipe tune` makes"):
        found(spec_of(model.file, precision="int8", calibrated=str(model.folder)))


def test_another_size_has_a_network_of_its_own(model):
    with pytest.raises(ModelError, match=r"no int8 network of it at 96 x 96 in .*, or for another size"):
        int8.find(model.folder, model.file, (96, 96))


def test_it_is_written_whole_or_not_at_all(model):
    def fails(target):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot be written: No space left on device"):
        int8.keep(model.folder, model.file, None, 9, fails)
    assert int8.find(model.folder, model.file, None) == model.made
    assert [each.name for each in model.folder.iterdir()] == [model.made.parent.name]


def test_what_is_damaged_is_made_anew(model):
    model.made.unlink()
    assert int8.keep(model.folder, model.file, None, 9, lambda target: convert(model.stand_in, target)) == model.made
    assert int8.find(model.folder, model.file, None) == model.made


@pytest.mark.parametrize(
    ("installed", "frames", "why"),
    [
        (False, FEWEST, r"takes NNCF: `pip install 'vidpipe\[compress\]'`"),
        (True, FEWEST - 1, f"int8 is calibrated on {FEWEST} frames at least, {FEWEST - 1} are there: give longer"),
    ],
)
def test_what_is_missing_to_quantise_is_told(tmp_path, monkeypatch, installed, frames, why):
    monkeypatch.setattr(nncf, "is_installed", lambda: installed)
    with pytest.raises(ModelError, match=why):
        quantise(spec_of(network(tmp_path / "net.onnx", BOX)), Classes({}), [PICTURE] * frames, tmp_path / "int8")
    assert not (tmp_path / "int8").exists()


def test_what_is_there_is_not_made_again(model, monkeypatch):
    monkeypatch.setattr(nncf, "is_installed", lambda: False)
    assert quantise(spec_of(model.file), Classes({}), [], model.folder) == model.made


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("pixels", [Pixels(rgb=False), Pixels(rgb=True, scale=1 / 255)])
def test_networks_are_calibrated_on_the_pixels_that_they_get_in_a_run(tmp_path, monkeypatch, planar, dtype, pixels):
    given = []
    monkeypatch.setattr(nncf, "quantised", lambda file, model, tensors: given.extend(tensors))
    network = OpenVINONetwork(mean_network(tmp_path / "mean.onnx", planar, dtype), None, 1, "f32")
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    network.quantise(pixels, [picture])
    means = given[0][0].mean(axis=(1, 2) if planar else (0, 1), dtype=np.float64)
    session = network.compile(pixels)
    session.pictures[:] = picture
    np.testing.assert_allclose(means, session.run(1)[0][0], rtol=0.01)


QUANTISES = """
import sys
import numpy as np
from pathlib import Path
from vidpipe.models.runtimes import Pixels
from vidpipe.models.runtimes.openvino import OpenVINONetwork, save
pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), np.uint8)
made = OpenVINONetwork(Path(sys.argv[1]), None, 1).quantise(Pixels(rgb=True, scale=1 / 255), list(pictures))
save(made, Path(sys.argv[2]))
print("openvino_telemetry" in sys.modules)
"""


def test_nncf_keeps_what_a_network_says_draws_no_bars_and_sends_nothing(tmp_path):
    """By itself it sends telemetry without asking."""
    pytest.importorskip("nncf")
    file, target = busy_network(tmp_path / "busy.onnx", 16, 64), tmp_path / "int8.xml"
    command = [sys.executable, "-c", QUANTISES, str(file), str(target)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
    original, made = (OpenVINONetwork(each, None, 1, "f32") for each in (file, target))
    assert (original.is_int8, made.is_int8) == (False, True)
    assert made.size == original.size
    sessions = [each.compile(Pixels(rgb=True, scale=1 / 255)) for each in (original, made)]
    for session in sessions:
        session.pictures[:] = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    exact, close = (np.array(session.run(1)[0]) for session in sessions)
    assert np.abs(exact - close).max() < 0.1 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("own", "usual", "bf16", "installed", "expected"),
    [
        ("auto", "bf16", True, True, ["f32", "int8"]),
        ("auto", "f32", False, True, ["int8"]),
        ("auto", "f32", False, False, []),
        ("auto", "f32", True, False, ["bf16"]),
        ("f32", "bf16", True, False, ["bf16"]),
        ("bf16", "bf16", True, False, ["f32"]),
    ],
)
def test_what_else_a_model_can_compute_in(tmp_path, monkeypatch, own, usual, bf16, installed, expected):
    monkeypatch.setattr(openvino, "usual", lambda: usual)
    monkeypatch.setattr(openvino, "has_bf16", lambda: bf16)
    monkeypatch.setattr(nncf, "is_installed", lambda: installed)
    file = network(tmp_path / "net.onnx", BOX)
    assert others(spec_of(file, precision=own)) == expected
    assert others(spec_of(file, runtime="onnxruntime")) == []


def test_what_auto_comes_to_is_what_openvino_compiles_for(tmp_path):
    model = ov.Core().read_model(network(tmp_path / "net.onnx", BOX))
    compiled = ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == openvino.usual()


def test_detectors_look_in_turns_and_their_medians_count(monkeypatch):
    """One that was slow once is not slow."""
    clock, order = [0], []

    class Timed:
        def __init__(self, name, costs_ms):
            self.name, self.costs = name, list(costs_ms)

        def detect(self, images):
            order.append((self.name, int(images[0])))
            clock[0] += round(self.costs.pop(0) * 1e6)

    class Meter:
        def __init__(self):
            self.cpu_ns = 0

        def measure(self, pictures):
            return self

        def __enter__(self):
            self.began = clock[0]

        def __exit__(self, *_):
            self.cpu_ns = clock[0] - self.began

    monkeypatch.setattr(precisions, "Meter", Meter)
    took = look_ms({"a": Timed("a", [9, 2, 2]), "b": Timed("b", [1, 1, 30])}, np.arange(2), 3)
    assert took == {"a": 2.0, "b": 1.0}
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 0), ("b", 0)]
