"""What a model is to a stage, and how a user describes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vidpipe.core.frame import Image

if TYPE_CHECKING:
    import supervision as sv

Family = Literal["yolo", "yolox", "ssd", "atss", "tfod", "embedder"]
Score = Annotated[float, Field(ge=0, le=1)]
Size = int | tuple[int, int]
"""Of a network's input in pixels: a side, or (height, width)."""
Precision = Literal["auto", "f32", "bf16", "int8"]
"""What a network computes in; auto: what its runtime chooses on this machine."""


class Slicing(BaseModel):
    """Looking at overlapping tiles besides the whole picture, for small objects (SAHI).

    Boxes are merged where the intersection over the smaller area is above `merge`: plain NMS leaves fragments of
    objects that a tile's edge cuts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: int = Field(default=2, ge=1, le=8, description="tiles side by side")
    rows: int = Field(default=2, ge=1, le=8, description="tiles one above the other")
    size: float = Field(default=0.6, gt=0, le=1, description="of a tile, in parts of width and height")
    whole: bool = Field(default=True, description="detect on the whole picture too")
    merge: float = Field(
        default=0.7, gt=0, le=1, description="intersection over the smaller area, above which to merge"
    )


class ModelSpec(BaseModel):
    """A model of a pipeline, as the user wrote it; what is None comes from its description or from the file itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        description="a file, a name that Ultralytics knows (yolo11n), omz:NAME, yolox:NAME, or pypi:NAME==VERSION/FILE"
    )
    family: Family | None = Field(default=None, description="how the output is read")
    runtime: Literal["openvino", "onnxruntime", "torch"] | None = Field(
        default=None, description="default: torch on CUDA for a .pt, OpenVINO otherwise"
    )
    threshold: Score | dict[str, Score] | None = Field(
        default=None, description="least score of a box; one for all, or by class of the pipeline"
    )
    size: Size | None = Field(
        default=None, description="of the input in pixels: a side, or (height, width), where the network allows it"
    )
    precision: Precision = Field(
        default="auto",
        description="what the network computes in; `auto`: what the runtime chooses on this machine. `int8` takes the "
        "network that `vidpipe tune` has made of it, in `calibrated`",
    )
    calibrated: str | None = Field(
        default=None, description="with `int8`: a folder of networks that were calibrated on a stream's own frames"
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="CPU threads of a look; default: the cores, shared out among the streams that the run begins with. "
        "One takes the least CPU time",
    )
    names: list[str] | None = Field(default=None, description="the model's own classes, in order")
    settings: dict[str, Any] = Field(default={}, description="of a Python class: its keyword arguments")
    slicing: Slicing | None = Field(default=None, description="detect on overlapping tiles too; default: do not")
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="of the wheel of a pypi: source")
    trust: bool = Field(
        default=False, description="load a .pt (a pickle: it can run code) that is not Ultralytics' own"
    )

    def varied(
        self, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> ModelSpec:
        """The model with another size of its input, precision or folder; what is None stays."""
        values = {"size": size, "precision": precision, "calibrated": calibrated}
        changed = {name: value for name, value in values.items() if value is not None}
        return self.model_copy(update=changed) if changed else self


class Detector(Protocol):
    """Finds objects. Not to be shared by threads: it belongs to the one that loaded it."""

    @property
    def spec(self) -> ModelSpec: ...

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """Objects in each picture, in pixels of that picture, best first.

        Args:
            images: uint8 BGR [h, w, 3] each, of any size.
            floor: keep boxes down to this score in place of the model's threshold.

        Returns:
            One `sv.Detections` a picture: `class_id` indexes the pipeline's classes, `data["class_name"]` (str) names
            them; classes that the pipeline does not list are left out.
        """
        ...

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """Those boxes that reach the model's threshold of their class."""
        ...

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """How far each box's score is from the model's threshold of its class, above or below: [n], 0..1."""
        ...


class Tail(Protocol):
    """The second half of a detector that is cut."""

    def detect(self, features: Any, size: tuple[int, int], floor: float | None = None) -> sv.Detections:
        """Objects in pixels of a picture of that (width, height), in the features that its head has made of it."""
        ...


class Embedder(Protocol):
    """Turns pictures into vectors whose nearness means likeness."""

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """float32 [n, d], each row of length 1, for uint8 BGR pictures of any size."""
        ...


class Classes:
    """The pipeline's own classes and which names of a model mean each.

    Args:
        mapping: names of the pipeline's classes, in order, each with the models' names for it. Empty: every class of
            the (one) model, under its own name.
    """

    def __init__(self, mapping: Mapping[str, Sequence[str]]) -> None:
        self.mapping = {name: tuple(aliases) for name, aliases in mapping.items()}
        self.names = tuple(self.mapping)
        self._of = {alias: index for index, aliases in enumerate(self.mapping.values()) for alias in aliases}

    def __eq__(self, other: object) -> bool:
        """By what is in them, and its order."""
        return isinstance(other, Classes) and list(self.mapping.items()) == list(other.mapping.items())

    def __hash__(self) -> int:
        return hash(tuple(self.mapping.items()))

    def table(self, names: Sequence[str]) -> list[int]:
        """For each of a model's classes its index in the pipeline, -1 where the pipeline does not list it."""
        return [self._of.get(name, -1) for name in names]
