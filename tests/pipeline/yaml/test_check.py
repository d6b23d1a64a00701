"""`vidpipe check` as a function: what it prints, what it gives back, and that it is light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.networks import constant_network, mean_network, yolox_rows
from tests.pipeline.conftest import GOOD, Write
from vidpipe.cli.commands.check import check
from vidpipe.core.errors import ConfigError

HEAVY = ["supervision", "openvino", "ray", "torch", "ultralytics", "cv2", "av", "onnxruntime", "faiss"]
FETCHED = ["will", "be", "fetched", "when", "it", "is", "first", "run", "(licence:", "AGPL-3.0)"]
PIPELINES = Path(__file__).parents[3] / "pipelines"
CONFIGS = Path(__file__).parents[3] / "configs"


def test_a_good_pipeline_is_shown_by_its_stages(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    check(write(GOOD), None, {}, [])
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["street:", "ok"],
        ["stage", "type", "on", "model", "family", "size"],
        ["difference", "difference", "device"],
        ["little", "detect", "edge", "little", "yolo"],
        ["big", "detect", "cloud", "big", "yolo", "640x640"],
        ["model", "little:", "yolo11n", *FETCHED],
        ["model", "big:", "yolo11m", *FETCHED],
    ]
    assert err == ""


def test_mistakes_come_one_a_line_however_long(write: Write) -> None:
    bad = GOOD.replace("path: yolo11n", "path: 'a[/b]/" + "long/" * 40 + "x.onnx'").replace("ahead: 2", "ahead: x")
    with pytest.raises(ConfigError) as error:
        check(write(bad), None, {}, ["stages.little.on=sea"])
    assert [line.split(": ")[0] for line in str(error.value).splitlines()] == [
        "street.yaml:6",
        "street.yaml:17",
        "--set stages.little.on",
    ]
    assert "a[/b]/long" in str(error.value)


def test_an_unknown_pipeline_is_bad_usage_too(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'pair'\?"):
        check("piar", None, {}, [])


def test_checking_imports_nothing_heavy(write: Write) -> None:
    """Imports of these take seconds: a check would be as slow as a run."""
    write(GOOD)
    program = f"""
import sys
from vidpipe.cli.commands.check import check
check("street.yaml", None, {{"door": "door.mp4"}}, [])
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


DETECT = """
classes: {person: person}
models: {only: {path: net.onnx, names: [person]}}
stages: [{id: find, type: detect, model: only}]
"""
CACHE = DETECT.replace("stages: [", "stages: [{id: known, type: cache, model: key}, ").replace(
    "models: {", "models: {key: {path: key.onnx}, "
)


@pytest.fixture
def networks(folder: Path) -> None:
    """net.onnx finds boxes of one class as YOLOX gives them, key.onnx gives a vector."""
    constant_network(folder / "net.onnx", {"out": yolox_rows([], 1)})
    mean_network(folder / "key.onnx")


@pytest.mark.parametrize("pipeline", [DETECT, DETECT.replace("net.onnx", "net.onnx, runtime: onnxruntime"), CACHE])
def test_models_that_hold_what_the_pipeline_says(networks: None, write: Write, pipeline: str) -> None:
    check(write(pipeline), None, {}, [])


WRONG = [
    (DETECT, "net.onnx, family: ssd", "model net.onnx: family ssd does not fit its outputs out [1,84,6]: set family"),
    (DETECT, "net.onnx, size: 1000000", "model net.onnx: size 1000000: at most 8192 pixels a side"),
    (DETECT, "net.onnx, size: 96, runtime: onnxruntime", "cannot take size 96 x 96 in ONNX Runtime, only its own"),
    (DETECT, "net.onnx, threads: 100000", "must be at most 1024, not 100000"),
    (DETECT, "key.onnx", "model key.onnx: no family fits its outputs mean [1,3]"),
    (CACHE.replace("key.onnx", "key.onnx, family: ssd"), "net.onnx", "family ssd gives boxes, not vectors"),
]


@pytest.mark.parametrize(("pipeline", "path", "said"), WRONG)
def test_models_that_run_would_refuse(networks: None, write: Write, pipeline: str, path: str, said: str) -> None:
    text = pipeline.replace("net.onnx", path) if pipeline is DETECT else pipeline
    with pytest.raises(ConfigError) as error:
        check(write(text), None, {}, [])
    [line] = str(error.value).splitlines()
    assert line.startswith("street.yaml:3: models.")
    assert said in line


@pytest.mark.parametrize(
    "damage", [b"", b"not a network", bytes(range(256)) * 20, 0.5], ids=["", "text", "noise", "half"]
)
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_damaged_models(networks: None, write: Write, folder: Path, damage: bytes | float, runtime: str) -> None:
    whole = (folder / "net.onnx").read_bytes()
    (folder / "net.onnx").write_bytes(damage if isinstance(damage, bytes) else whole[: int(len(whole) * damage)])
    with pytest.raises(ConfigError, match=r"street.yaml:3: models.only: .*net.onnx: .* cannot read it: "):
        check(write(DETECT.replace("net.onnx", f"net.onnx, runtime: {runtime}")), None, {}, [])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("streams.gate.url=rtsp://admin:hunter2@10.0.0.9:99999/x", "the port of a camera's address must be 1 to 65535"),
        ("streams.gate.record_url=rtsp://10.0.0.9:0/x", "the port of a camera's address must be 1 to 65535, not 0"),
        ("links.device-edge.credit_mb=1e9", "is more memory than this machine has: "),
        ("ahead=100000", "must be at most 1000"),
    ],
)
def test_what_fits_no_machine(write: Write, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(write(GOOD), None, {}, [setting])
    [line] = str(error.value).splitlines()
    assert said in line
    assert "hunter2" not in line


@pytest.mark.footage
@pytest.mark.timed
def test_checking_real_models_takes_a_moment(assets: Path, folder: Path) -> None:
    """1.5 s of an idle machine, as the time of the CPU: that is no less, and does not depend on who else runs."""
    before = os.times()
    command = [sys.executable, "-m", "vidpipe.cli.main", "check", "follow"]
    subprocess.run(command, env=os.environ | {"VIDPIPE_ASSETS": str(assets)}, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 2.5


@pytest.mark.parametrize("pipeline", ["street", "demo"])
def test_pipelines_that_fetch_their_models_are_sound(folder: Path, pipeline: str) -> None:
    check(PIPELINES / f"{pipeline}.yaml", None, {}, [])


@pytest.mark.footage
@pytest.mark.parametrize("pipeline", sorted(file.stem for file in PIPELINES.glob("*.yaml")))
def test_every_pipeline_that_comes_with_vidpipe_is_sound(
    assets: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str
) -> None:
    monkeypatch.setenv("VIDPIPE_ASSETS", str(assets))
    check(pipeline, None, {"vtest": "vtest.avi"}, [])


@pytest.mark.parametrize("config", ["example", "sites"])
@pytest.mark.parametrize("pipeline", ["street", "demo"])
def test_the_example_configurations_go_with_three_tiers(folder: Path, pipeline: str, config: str) -> None:
    check(pipeline, CONFIGS / f"{config}.yaml", {}, [])
