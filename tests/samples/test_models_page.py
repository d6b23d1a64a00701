"""What docs/models.md shows runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests import clips
from tests.cli.conftest import RAY, Shell
from tests.models.networks import constant_network, random_yolo, yolo_columns
from vidpipe.pipeline.yaml import load

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
SNIPPETS = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def shell(tmp_path):
    """A user in a folder below the one with the snippets, so that nothing is found by luck."""
    (tmp_path / "elsewhere").mkdir()
    for name, text in SNIPPETS.items():
        (tmp_path / name).write_text(text)
    shell = Shell(tmp_path / "elsewhere")
    yield shell
    shell.clean_up()


def run(shell: Shell, name: str, engine: str = "inline") -> list[dict]:
    clips.encode(shell.folder / "good.mp4", frames=10)
    outputs = ("--results", "results.jsonl", "--report", "report.json", "--engine", engine)
    assert shell.vidpipe("check", f"../{name}").status == 0
    ended = shell.vidpipe("run", f"../{name}", "--source", "good.mp4", *outputs)
    assert ended.status == 0, ended.err
    return [line for line in shell.lines if "detections" in line]


def test_every_snippet_is_run():
    assert sorted(SNIPPETS) == ["bright.py", "checkpoint.yaml", "class.yaml", "onnx.yaml"]


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_a_class_beside_the_pipeline(shell, engine):
    """The square that moves through the clip is found, on Ray from a foreign folder too, and what it costs is told."""
    lines = run(shell, "class.yaml", engine)
    assert len(lines) == 10
    for line in lines:
        assert {found["class"] for found in line["detections"]} == {"light"}
        sides = [np.subtract(found["xyxy"][2:], found["xyxy"][:2]) for found in line["detections"]]
        assert any(abs(side - 24).max() < 4 for side in sides)
    assert shell.report["models"]["mine"]["calls"] >= 10


def test_an_onnx_file(shell):
    constant_network(shell.folder.parent / "mine.onnx", {"out": yolo_columns([(32, 32, 16, 16, 0, 0.9)], 2)})
    assert all(line["detections"][0]["class"] == "person" for line in run(shell, "onnx.yaml"))


@pytest.mark.long
def test_a_checkpoint_of_ultralytics(shell, monkeypatch):
    monkeypatch.setenv("VIDPIPE_CACHE", str(shell.folder / "cache"))
    random_yolo(shell.folder.parent / "mine.pt")
    assert len(run(shell, "checkpoint.yaml")) == 10
    assert load(shell.folder.parent / "checkpoint.yaml").models["mine"].trust
