"""`vidpipe check` as a function: what it prints, what it gives back, and that it is light."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.conftest import GOOD, Write
from vidpipe.cli.check import check
from vidpipe.errors import ConfigError

HEAVY = ["supervision", "openvino", "ray", "torch", "ultralytics", "cv2", "av", "onnxruntime", "faiss"]
PIPELINES = Path(__file__).parents[2] / "pipelines"
CONFIGS = Path(__file__).parents[2] / "configs"


def test_a_good_pipeline_is_shown_by_its_stages(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    check(write(GOOD), None, {}, [])
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["street:", "ok"],
        ["stage", "type", "on", "model", "family", "size"],
        ["difference", "difference", "device"],
        ["little", "detect", "edge", "little", "yolo"],
        ["big", "detect", "cloud", "big", "yolo", "640x640"],
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
from vidpipe.cli.check import check
check("street.yaml", None, {{"door": "door.mp4"}}, [])
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


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


@pytest.mark.parametrize("pipeline", ["street", "demo"])
def test_the_example_configuration_goes_with_three_tiers(folder: Path, pipeline: str) -> None:
    check(pipeline, CONFIGS / "example.yaml", {}, [])
