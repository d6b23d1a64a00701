"""Models that are plain Python classes: `path: "my_module:MyDetector"`, imported from beside the pipeline.

A detector has `detect(images)`, an embedder `embed(images)`; what they compute with is their own affair.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.extensions import find_on, load_class, target_of
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.boxes import best_first, have_area
from vidpipe.models.detectors.detector import Labels, Traits

if TYPE_CHECKING:
    import supervision as sv

T = TypeVar("T")

ENTRY_POINTS = "vidpipe.models"
_BLANK = (480, 640)  # a picture to try a class with


def source_file(path: str, search_paths: Sequence[Path]) -> Path:
    """The file that a class's module lies in; raises ModelError where there is none."""
    find_on([str(folder) for folder in search_paths])
    module = (target_of(ENTRY_POINTS, path) or path).partition(":")[0]
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        found = None
    if found is None or found.origin is None:
        raise ModelError(f"model {path}: there is no module {module}")
    return Path(found.origin)


class OwnDetector:
    """A `LoadedDetector` made of a user's class, which is tried once on a blank picture.

    The class is called with the spec's `settings` as keyword arguments. Its `detect(images)` is given uint8 BGR
    pictures [h, w, 3] and gives an `sv.Detections` for each: boxes in pixels of that picture, `confidence`, and either
    `class_id`, which indexes the class's `names`, or `data["class_name"]`.

    Args:
        spec: the model as the user wrote it.
        classes: of the pipeline.
        search_paths: folders to import the class from.

    Raises:
        ModelError: the class cannot be imported or made, or does not what a detector does.
    """

    def __init__(self, spec: ModelSpec, classes: Classes, search_paths: Sequence[Path]) -> None:
        self._made_of = (spec, classes, search_paths)
        self._spec = spec
        self._model = _make(spec, "detect", search_paths)
        names = list(spec.names or getattr(self._model, "names", None) or ())
        if not names:
            raise ModelError(f"model {spec.path}: say what it finds: `names`, of the class or in the pipeline")
        self._numbers = {name: number for number, name in enumerate(names)}
        # The class has made its choice already: without a threshold all of it counts.
        self._labels = Labels(spec.path, names, classes, spec.threshold, 0.0)
        _try(spec, self.detect)

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def traits(self) -> Traits:
        size: Any = self._spec.size or getattr(self._model, "size", None) or _BLANK
        height, width = (size, size) if isinstance(size, int) else size
        return Traits(tuple(self._labels.by_name), (height, width), self._labels.by_name, 0.0)

    def clone(self) -> OwnDetector:
        """Another one for another thread: made anew, as nothing is known of the class's threads."""
        return OwnDetector(*self._made_of)

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """See `Detector.detect`."""
        given = self._model.detect(images)
        if not isinstance(given, list | tuple) or len(given) != len(images):
            raise ModelError(
                f"model {self._spec.path}: detect must give a list with one sv.Detections for each picture"
            )
        return [self._taken(found, image, floor) for found, image in zip(given, images, strict=True)]

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """See `Detector.keep_sure`."""
        return self._labels.keep_sure(detections)

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """See `Detector.margins`."""
        return self._labels.margins(detections)

    def _taken(self, found: Any, image: Image, floor: float | None) -> sv.Detections:
        """What a class found, in the pipeline's terms; a copy, so that nobody else changes it."""
        import supervision as sv

        if not isinstance(found, sv.Detections):
            raise ModelError(f"model {self._spec.path}: detect gave a {type(found).__name__}, not an sv.Detections")
        if not len(found):
            return self._labels.detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        if found.confidence is None:
            raise ModelError(f"model {self._spec.path}: its boxes have no confidence")
        scores = np.asarray(found.confidence, np.float32)
        kept, classes = self._labels.of(self._class_numbers(found), scores, floor)
        height, width = image.shape[:2]
        boxes = np.clip(np.asarray(found.xyxy, np.float32)[kept], 0, np.array([width, height] * 2, np.float32))
        order = best_first(scores[kept])
        order = order[have_area(boxes[order])]
        return self._labels.detections(boxes[order], scores[kept][order], classes[order])

    def _class_numbers(self, found: sv.Detections) -> NDArray[np.int64]:
        if found.class_id is not None:
            return np.maximum(np.asarray(found.class_id, np.int64), -1)
        if "class_name" not in found.data:
            raise ModelError(f'model {self._spec.path}: its boxes have neither class_id nor data["class_name"]')
        return np.array([self._numbers.get(str(name), -1) for name in found.data["class_name"]], np.int64)


class OwnEmbedder:
    """A `LoadedEmbedder` made of a user's class, as `OwnDetector`; its `embed(images)` gives an array [n, d]."""

    def __init__(self, spec: ModelSpec, search_paths: Sequence[Path]) -> None:
        self._made_of = (spec, search_paths)
        self._spec = spec
        self._model = _make(spec, "embed", search_paths)
        self._length = 0
        self._length = _try(spec, self.embed).shape[1]

    def clone(self) -> OwnEmbedder:
        """See `OwnDetector.clone`."""
        return OwnEmbedder(*self._made_of)

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        if not images:
            return np.zeros((0, self._length), np.float32)
        vectors = np.array(self._model.embed(images), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(images):
            raise ModelError(f"model {self._spec.path}: embed must give an array [n, d] for n pictures")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors


def _make(spec: ModelSpec, method: str, search_paths: Sequence[Path]) -> Any:
    """An instance of the class that a spec names."""
    target = target_of(ENTRY_POINTS, spec.path) or spec.path
    try:
        made = load_class("model", spec.path, target, [str(folder) for folder in search_paths], _is_model)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    if not callable(getattr(made, method, None)):
        raise ModelError(f"model {spec.path}: has no method `{method}(images)`")
    try:
        return made(**spec.settings)
    except Exception as error:  # a user's class raises what it likes
        raise ModelError(f"model {spec.path}: cannot be made: {_reason(error)}") from error


def _try(spec: ModelSpec, method: Callable[[Sequence[Image]], T]) -> T:
    """What a method says of a blank picture."""
    try:
        return method([np.zeros((*_BLANK, 3), np.uint8)])
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"model {spec.path}: fails on a blank picture: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def _is_model(value: object) -> bool:
    return isinstance(value, type) and any(callable(getattr(value, name, None)) for name in ("detect", "embed"))
