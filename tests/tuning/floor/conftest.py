"""A short clip on which boxes move and come and go, and small models that see more or less of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clips import encode
from tests.models.networks import following_network
from vidpipe.core.progress import Silent
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.tuning.floor import precisions
from vidpipe.tuning.floor.configuration import Roles, model_of_stage
from vidpipe.tuning.floor.search import Stretch
from vidpipe.tuning.looks import Look, Variant, look

FPS, FRAMES = 25, 300
# (cx, cy, w, h, class, score); they stand the further right, the brighter the picture is: the clip's number lights it.
OBJECTS = [(-64, 20, 10, 8, 0, 0.9), (-50, 40, 12, 16, 1, 0.6), (-54, 50, 8, 8, 0, 0.2)]
SHIFT_PX = 200

PAIR = """
name: pair
classes: {person: person, car: car}
models:
  big: {path: big.onnx, family: yolo}
  little: {path: little.onnx, family: yolo}
stages:
  - {id: difference, type: difference, threshold: 40}
  - {id: little, type: detect, model: little, accept: 0.5}
  - {id: big, type: detect, model: big}
audit: {rate: 0.05, max_unchecked_s: 1}
"""
ALONE = """
classes: {person: person, car: car}
models: {big: {path: big.onnx, family: yolo}}
stages: [{id: big, type: detect, model: big}]
"""


Made = Callable[..., Pipeline]


@pytest.fixture(scope="package")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clip.mp4, slow.mp4 of 13 s at five a second, and the models: little sees one thing of two."""
    folder = tmp_path_factory.mktemp("floors")
    following_network(folder / "big.onnx", OBJECTS, ["person", "car"], shift_px=SHIFT_PX)
    following_network(folder / "little.onnx", OBJECTS[:1], ["person", "car"], shift_px=SHIFT_PX)
    encode(folder / "clip.mp4", frames=FRAMES, fps=FPS)
    encode(folder / "slow.mp4", frames=65, fps=5)
    encode(folder / "b_frames.mp4", frames=75, fps=FPS, b_frames=2)
    return folder


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test fills the cache or the profiles of the user who runs it."""
    monkeypatch.setenv("VIDPIPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIDPIPE_PROFILES", str(tmp_path / "profiles"))


@pytest.fixture(autouse=True)
def one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of microseconds cost the same in every precision: which seems cheaper is chance."""
    monkeypatch.setattr(precisions, "others", lambda spec, paths: [])


@pytest.fixture
def made(yard: Path, tmp_path: Path) -> Made:
    """Loads a pipeline on a clip, as its stream `cam`."""

    def load_it(text: str = PAIR, clip: str | Path = "clip.mp4", **stream: object) -> Pipeline:
        for name in ("big", "little"):
            if not (tmp_path / f"{name}.onnx").exists():
                (tmp_path / f"{name}.onnx").write_bytes((yard / f"{name}.onnx").read_bytes())
        file = tmp_path / "pipeline.yaml"
        file.write_text(text)
        sets = [f"streams.cam.{key}={value}" for key, value in stream.items()]
        return load(file, sources={"cam": str(yard / clip)}, sets=sets)

    return load_it


def looks_of(roles: Roles, stream: str = "cam") -> dict[Variant, Look]:
    """What the models of both detecting stages say of every frame."""
    stages = [stage for stage in (roles.last, roles.little) if stage is not None]
    variants = [Variant(model_of_stage(roles.pipeline, stage)) for stage in stages]
    spec = roles.pipeline.streams[stream].spec
    return {each: look(roles.pipeline, stream, spec, each.spec(roles.pipeline), Silent()) for each in variants}


def stretch_of(roles: Roles, stream: str = "cam") -> Stretch:
    """The whole clip."""
    looks = looks_of(roles, stream)
    truth = looks[Variant(model_of_stage(roles.pipeline, roles.last))].predictions.sure()
    return Stretch(roles.pipeline.streams[stream].spec, truth, looks)
