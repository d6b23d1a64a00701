"""What can be known of a model without loading it: from a YAML beside it, from the file itself, from the catalogue."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vidpipe.core.errors import ModelError
from vidpipe.models.base import Family, Score
from vidpipe.models.metadata import embedded

_CATALOGUE = Path(__file__).parent / "catalogue"
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MadeFrom(BaseModel):
    """What a smaller model was made from, and how far it agrees with that: written by `vidpipe compress`.

    Attributes:
        model: the path of what it was made from.
        sha256: of its file and weights together, see `models.stores.int8`.
        variant: what was done to it.
        on: name of the clip.
        floor: F1 that was asked for.
        f1: against the model that it was made from, in f32 at its own size, on the last part of the clip.
        cpu_ms: CPU time of a look on one thread; `was_cpu_ms` of the model that it was made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    sha256: str
    variant: str
    on: str
    made_at: str
    floor: float
    f1: float
    cpu_ms: float
    was_cpu_ms: float


class ModelMetadata(BaseModel):
    """Description of a model file; what is None is not known here.

    A user puts one beside a model: `street.yaml` beside `street.xml` or `street.onnx`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family | None = Field(default=None, description="how the output is read")
    names: tuple[str, ...] | None = Field(
        default=None, description="the model's classes in order: a list, a mapping from 0, or the word coco80"
    )
    threshold: Score | dict[str, Score] | None = Field(default=None, description="least score of a box")
    size: int | tuple[int, int] | None = Field(default=None, description="of the input: a side, or (height, width)")
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="of the wheel of a pypi: source")
    licence: str | None = None
    made_from: MadeFrom | None = Field(default=None, description="of a model that `vidpipe compress` wrote")

    @field_validator("names", mode="before")
    @classmethod
    def _spell_out(cls, names: Any) -> Any:
        if names == "coco80":
            return coco80()
        if isinstance(names, dict):
            return [str(names[index]) for index in sorted(names)]
        return names

    def or_else(self, other: ModelMetadata) -> ModelMetadata:
        """The same, with what it does not know taken from `other`."""
        unknown = {name: value for name, value in other if getattr(self, name) is None}
        return self.model_copy(update=unknown)


class _Entry(ModelMetadata):
    match: list[str] = Field(description="patterns of the stem of a file, or of a whole pypi: source")
    inputs: dict[str, tuple[int, int]] = Field(default={}, description="by stem: (height, width) that the file takes")


def metadata_of(source: str, file: Path | None) -> ModelMetadata:
    """What is known of a model: the YAML beside it goes before the file's own metadata, that before the catalogue.

    Args:
        source: as the user wrote it.
        file: where it lies, if it does already.

    Raises:
        ModelError: the YAML beside the file is no description, or the file is a model that does not detect.
    """
    metadata = ModelMetadata()
    if file is not None:
        metadata = _beside(file).or_else(_inside(file))
    return metadata.or_else(catalogued(source if source.startswith("pypi:") else Path(source).stem))


def catalogued(name: str) -> ModelMetadata:
    """The catalogue's entry for the stem of a file or a whole `pypi:` source; all unknown where it has none."""
    for entry in _catalogue():
        if any(fnmatchcase(name, pattern) for pattern in entry.match):
            return ModelMetadata(**entry.model_dump(exclude={"match", "inputs"}))
    return ModelMetadata()


def catalogued_input(name: str) -> tuple[int, int] | None:
    """(height, width) of the input of a network in a file of that stem; None where the catalogue does not know it."""
    return next((entry.inputs[name] for entry in _catalogue() if name in entry.inputs), None)


@cache
def coco80() -> tuple[str, ...]:
    """The 80 classes of COCO, in the order in which YOLO models have them."""
    return tuple((_CATALOGUE / "coco80.txt").read_text().splitlines())


@cache
def _catalogue() -> tuple[_Entry, ...]:
    return tuple(_Entry(**_read(file)) for file in sorted(_CATALOGUE.glob("*.yaml")))


def _beside(file: Path) -> ModelMetadata:
    # Beside a .pt, a YAML of the same name is the architecture that Ultralytics built it from.
    described = file.with_suffix(".yaml")
    if file.suffix == ".pt" or not described.is_file():
        return ModelMetadata()
    try:
        return ModelMetadata(**_read(described))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"{described}: {where}: {first['msg']}; a description of {file.name} may have "
            f"{', '.join(ModelMetadata.model_fields)}"
        ) from error


def _inside(file: Path) -> ModelMetadata:
    found = embedded.read(file)
    task = found.get("task", "detect")
    if task != "detect":
        raise ModelError(f"{file}: an Ultralytics model of task {task!r}; only `detect` finds boxes for a pipeline")
    return ModelMetadata(
        family="yolo" if found.get("names") else None,
        names=found.get("names"),
        size=found.get("imgsz"),
        licence=found.get("license"),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(), Loader=_Loader)  # a safe loader, in C where there is one
    except yaml.YAMLError as error:
        raise ModelError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file}: expected `key: value` lines that describe a model")
    return content
