"""Where model files lie: the user's folders, the assets, the cache; and which names Ultralytics knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models.cache import fetched_dir

SUFFIXES = (".xml", ".onnx", ".tflite", ".pb", ".pt")
_NAME = re.compile(
    r"(yolov3(-spp|-tiny)?u|yolov5[nsmlx]6?u|yolov8[nsmlx]|yolov9[tsmce]|yolov10[nsmblx]|yolo(11|12|26)[nsmlx])(\.pt)?"
)
_NAMES = [f"yolo{version}{size}" for version in ("v8", "11", "12", "26") for size in "nsmlx"]


def ultralytics_name(path: str) -> str | None:
    """`yolo11n` for `yolo11n` and `yolo11n.pt`; None where this is no detector that Ultralytics publishes."""
    return path.removesuffix(".pt") if _NAME.fullmatch(path) else None


def find(path: str, search_paths: Sequence[Path]) -> Path | None:
    """The model file that a path means, or None; the .xml inside where it is an OpenVINO folder.

    A relative path is looked for from the working directory, in each search path, in `$VIDPIPE_ASSETS/models` and in
    the cache, in this order. A name of Ultralytics also stands for its `.pt`.

    Raises:
        ModelError: a folder that holds no single .xml, an .xml without its .bin, or a file that no runtime reads.
    """
    spellings = [path, f"{path}.pt"] if ultralytics_name(path) and not path.endswith(".pt") else [path]
    for folder in _folders(path, search_paths):
        for spelling in spellings:
            candidate = folder / Path(spelling).expanduser()
            if candidate.is_dir() and candidate.name.endswith("_openvino_model"):
                return _inside(candidate)
            if candidate.is_file():
                return _readable(candidate)
    return None


def with_weights(model: Path) -> Iterator[Path]:
    """A model's file, and those beside it that hold its weights: OpenVINO's .bin, ONNX's external data."""
    yield model
    if model.suffix in (".xml", ".onnx"):
        beside = (".bin", f"{model.suffix}.data", f"{model.suffix}_data", ".data")
        yield from (file for suffix in beside if (file := model.with_name(model.stem + suffix)).is_file())


def missing(path: str, search_paths: Sequence[Path]) -> ModelError:
    """The error for a model that `find` did not find: where it was looked for, and the nearest names there."""
    folders = list(_folders(path, search_paths))
    looked_in = list(dict.fromkeys(str((folder / Path(path).expanduser()).parent) for folder in folders))
    names = [file.name for folder in looked_in for file in _models_in(Path(folder))]
    near = nearest(Path(path).name, [*names, *_NAMES])
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return ModelError(f"model {path}: no such file in {', '.join(looked_in)}{hint}")


def _folders(path: str, search_paths: Sequence[Path]) -> Iterator[Path]:
    yield Path()
    if Path(path).expanduser().is_absolute():
        return
    yield from search_paths
    if assets := os.environ.get("VIDPIPE_ASSETS"):
        yield Path(assets) / "models"
    yield fetched_dir()


def _models_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [file for file in folder.iterdir() if file.suffix in SUFFIXES or file.name.endswith("_openvino_model")]


def _readable(file: Path) -> Path:
    if file.suffix not in SUFFIXES:
        other = [near.name for near in _models_in(file.parent) if near.stem == file.stem]
        hint = f"; beside it lies {', '.join(other)}" if other else ""
        raise ModelError(
            f"model {file}: no runtime reads {file.suffix or 'it'}: give one of {', '.join(SUFFIXES)}{hint}"
        )
    if file.suffix == ".xml" and not file.with_suffix(".bin").is_file():
        raise ModelError(f"model {file}: its weights {file.with_suffix('.bin').name} do not lie beside it")
    return file


def _inside(folder: Path) -> Path:
    found = sorted(folder.glob("*.xml"))
    if len(found) != 1:
        raise ModelError(f"model {folder}: expected one .xml in the folder, found {len(found)}")
    return _readable(found[0])
