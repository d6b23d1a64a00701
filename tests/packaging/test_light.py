"""vidpipe without what the light installation leaves out: it runs, and what is missing is told in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import clips
from tests.lines import answers
from tests.models.networks import constant_network, yolo_columns

ROOT = Path(__file__).parents[2]
LEFT_OUT = {
    "faiss-cpu": ("faiss",),
    "matplotlib": ("matplotlib",),
    "openvino": ("openvino",),
    "optuna": ("optuna",),
    "ray": ("ray",),
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "trackers": ("trackers",),
    "ultralytics": ("ultralytics", "polars"),
    "zstandard": ("zstandard",),
}
"""What the full installation has and the light one has not, and the modules of each."""

NEED_MORE = (
    "vidpipe.runtime.ray",
    "vidpipe.stages.gate.adopting",
    "vidpipe.stages.gate.network",
    "vidpipe.stages.gate.round",
    "vidpipe.stages.gate.training",
)
"""Modules that belong to an extra as a whole."""


def without(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a Python says that has none of `LEFT_OUT`."""
    names = " ".join(module for modules in LEFT_OUT.values() for module in modules)
    path = os.pathsep.join(map(str, (ROOT / "tests/packaging/without", ROOT)))
    variables |= {"TEST_WITHOUT": names, "PYTHONPATH": path, "VIDPIPE_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )


def vidpipe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return without(["-m", "vidpipe.cli.main", *arguments], folder)


def project(file: Path) -> dict:
    return tomllib.loads(file.read_text())["project"]


FULL, LIGHT = project(ROOT / "pyproject.toml"), project(ROOT / "deploy/light/pyproject.toml")


def named(requirements: list[str]) -> dict[str, str]:
    """The specifiers by package; one build of OpenCV stands for another."""
    found = map(Requirement, requirements)
    return {each.name.replace("opencv-python-headless", "opencv-python"): str(each.specifier) for each in found}


def test_both_distributions_are_one_version_that_asks_for_the_same():
    full, light = named(FULL["dependencies"]), named(LIGHT["dependencies"])
    assert full.keys() - light.keys() == set(LEFT_OUT)
    assert light.items() <= full.items()
    for said in ("version", "license", "requires-python", "scripts"):
        assert LIGHT[said] == FULL[said]
    assert (ROOT / "deploy/light/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_an_extra_brings_back_each_package_that_is_left_out():
    full, light = dict(FULL["optional-dependencies"]), dict(LIGHT["optional-dependencies"])
    for name in ("browser", "dev"):  # for who develops it
        del full[name]
    assert {name: light.pop(name) for name in full} == full
    back = [requirement for requirements in light.values() for requirement in requirements]
    comes_along = {"matplotlib"}  # supervision needs it
    every = named(FULL["dependencies"])
    assert named(back) == {name: every[name] for name in LEFT_OUT.keys() - comes_along}


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """A folder with a clip, a detector in ONNX and a pipeline."""
    folder = tmp_path_factory.mktemp("yard")
    clips.encode(folder / "yard.mp4", frames=20)
    constant_network(
        folder / "sees.onnx",
        {"out": yolo_columns([(20, 20, 10, 10, 0, 0.9)], 1, (64, 64))},
        metadata={"names": "{0: 'person'}"},
    )
    pipeline = {
        "classes": {"person": "person"},
        "models": {"sees": {"path": "sees.onnx"}},
        "stages": [
            {"id": "difference", "type": "difference", "on": "device"},
            {"id": "track", "type": "track", "on": "device"},
            {"id": "sees", "type": "detect", "on": "edge", "model": "sees"},
        ],
    }
    (folder / "p.yaml").write_text(json.dumps(pipeline))
    rules = {"rules": [{"id": "there", "kind": "presence", "zone": "all", "class": "person"}]}
    zones = {"streams": {"yard": {"url": "yard.mp4", "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
    (folder / "c.yaml").write_text(json.dumps(zones | rules))
    return folder


@pytest.mark.long
def test_a_pipeline_runs_with_all_that_shows_and_keeps_its_answers(yard):
    outputs = [
        "--results",
        "r.jsonl",
        "--events",
        "e.jsonl",
        "--store",
        "s.db",
        "--video",
        "v.mp4",
        "--report",
        "r.json",
    ]
    ran = vidpipe(yard, "run", "p.yaml", "--config", "c.yaml", "--serve", "0", "--metrics", "0", *outputs)
    assert ran.returncode == 0, ran.stderr
    assert [line["seq"] for line in answers(yard / "r.jsonl")] == list(range(20))
    assert any(line["detections"] for line in answers(yard / "r.jsonl"))
    assert "there" in (yard / "e.jsonl").read_text()
    counted = vidpipe(yard, "counts", "--store", "s.db")
    assert counted.returncode == 0, counted.stderr
    assert "person" in counted.stdout


@pytest.mark.long
@pytest.mark.parametrize("command", ["check", "plan"])
def test_a_pipeline_is_looked_at(yard, command):
    ran = vidpipe(yard, command, "p.yaml", "--config", "c.yaml")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_is_not_there_is_no_problem_to_the_doctor(yard):
    ran = vidpipe(yard, "doctor", "p.yaml", "--config", "c.yaml", "--json")
    found = {each["about"]: each for each in map(json.loads, ran.stdout.splitlines())}
    for name in ("openvino", "torch"):
        assert found[name]["state"] == "note"
        assert f"[{name}]" in found[name]["advice"]
    assert found["model sees"]["state"] == "ok"


TELLS = """
from pathlib import Path
import numpy as np
from vidpipe.core.errors import VidpipeError

def model(path):
    from vidpipe.models.base import Classes, ModelSpec
    from vidpipe.models.load import load_detector
    Path(path).touch()
    Path("a.bin").touch()
    load_detector(ModelSpec(path=path, trust=path.endswith(".pt"), names=["a"], family="ssd"), Classes({"a": ["a"]}))

def cache():
    from vidpipe.stages.cache.index import Index
    Index(8)

def alike():
    from vidpipe.results.store.embeddings import most_alike
    most_alike([np.ones(1)], np.ones(1), 1)

def gate():
    from vidpipe.models.gate import Gate, GateNetwork, Normal
    normal = Normal(np.zeros((2, 2), "f4"), np.zeros(1, "f4"), np.zeros(1, "f4"))
    GateNetwork(Gate("s", (2, 2), (), None, None, normal, b"", b"", (2, 2)))

def search():
    from vidpipe.tuning.floor.optuna_search import explore
    explore(None, {}, 0.1, 1, difference=False)

def identities():
    from vidpipe.accuracy.scores.tracks import track_score
    track_score(None, None)

for case in (lambda: model("a.xml"), lambda: model("a.tflite"), lambda: model("a.pt"), cache, alike, gate, search,
             identities):
    try:
        case()
        print("nothing was said")
    except VidpipeError as error:
        print(error)
"""


def test_what_needs_more_names_the_extra_in_one_sentence(yard):
    ran = without(["-c", TELLS], yard)
    said = ran.stdout.splitlines()
    extras = ("openvino", "openvino", "torch", "faiss", "faiss", "openvino", "optuna", "trackers")
    assert len(said) == len(extras), ran.stdout + ran.stderr
    for line, name in zip(said, extras, strict=True):
        assert line.count("pip install") == 1
        assert f"[{name}]'" in line


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run", "p.yaml", "--config", "c.yaml", "--engine", "ray"], "ray"),
        (["specialize", "p.yaml", "--config", "c.yaml"], "torch"),
    ],
)
def test_commands_that_need_more_say_so(yard, arguments, name):
    ran = vidpipe(yard, *arguments)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert f"[{name}]'" in ran.stderr


IMPORTS = """
import importlib, pkgutil, sys
import vidpipe
skipped = tuple(sys.argv[1].split(","))
for module in pkgutil.walk_packages(vidpipe.__path__, "vidpipe."):
    if not module.name.startswith(skipped) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.mark.long
def test_every_other_module_can_be_imported(tmp_path):
    skipped = ",".join((*NEED_MORE, "vidpipe.stages.gate.retrain"))
    ran = without(["-c", IMPORTS, skipped], tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_a_distribution_names_itself_in_what_it_advises(monkeypatch):
    from vidpipe.core import extras

    there = {"vidpipe-light"}

    def distribution(name):
        if name not in there:
            raise extras.metadata.PackageNotFoundError(name)
        return type("Distribution", (), {"name": name})

    monkeypatch.setattr(extras.metadata, "distribution", distribution)
    assert extras.how_to_install("ray") == "pip install 'vidpipe-light[ray]'"
    there.add("vidpipe")
    assert extras.how_to_install("ray") == "pip install 'vidpipe[ray]'"
    there.clear()
    assert extras.distribution() is None
