"""The models of one actor: loaded when first asked for, one instance for each thread that asks, all of them metered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models.base import Classes, ModelSpec, Size
from vidpipe.models.detectors.detector import LoadedDetector
from vidpipe.models.embedder import LoadedEmbedder
from vidpipe.models.load import load_detector, load_embedder
from vidpipe.models.meter import Meter, MeteredDetector, MeteredEmbedder, noting_threads

VARIANTS = 4  # that are held, beside the models as the pipeline has them

M = TypeVar("M", LoadedDetector, LoadedEmbedder)


class Library:
    """Implements `cascade.stage.Models`.

    A model belongs to the thread that asked for it; another thread that asks gets an instance of its own, on the same
    weights. A detector at another size is a variant of it: loaded and metered by itself. Of the variants the newest few
    are held; who has one keeps it.

    Args:
        specs: the pipeline's models by name.
        classes: of the pipeline.
        search_paths: folders in which relative paths are looked for, after the working directory.
        threads: for inference; None lets the runtime take all cores.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        classes: Classes,
        search_paths: Sequence[Path] = (),
        threads: int | None = None,
    ) -> None:
        self._specs = specs
        self._classes = classes
        self._search_paths = search_paths
        self._threads = threads
        self._loading = threading.Lock()  # one model after another
        self._lock = threading.Lock()  # of the meters, held for moments
        self._detectors: dict[str, LoadedDetector] = {}
        self._embedders: dict[str, LoadedEmbedder] = {}
        self._meters: dict[str, Meter] = {}
        self._of_thread = threading.local()

    def detector(self, name: str, size: Size | None = None) -> MeteredDetector:
        """The detector of that name, for the calling thread; with `size` its variant for inputs of that size.

        Raises:
            ModelError: the pipeline has no such model, or it cannot be loaded, or not at that size.
        """
        own: WeakValueDictionary[str, MeteredDetector]
        own = self._of_thread.__dict__.setdefault("detectors", WeakValueDictionary())
        variant = _variant(name, size)
        if (detector := own.get(variant)) is None:
            loaded = self._instance(self._detectors, name, size, self._load_detector)
            detector = own[variant] = MeteredDetector(loaded, self._meters[variant])
        return detector

    def load(self, name: str, size: Size | None = None) -> None:
        """Have a detector loaded for threads that will ask for it; from any thread, and errors as of `detector`."""
        with self._loading:
            self._load(self._detectors, name, size, self._load_detector)

    def embedder(self, name: str) -> MeteredEmbedder:
        """The embedder of that name, for the calling thread; errors as of `detector`."""
        own: dict[str, MeteredEmbedder] = self._of_thread.__dict__.setdefault("embedders", {})
        if name not in own:
            loaded = self._instance(self._embedders, name, None, self._load_embedder)
            own[name] = MeteredEmbedder(loaded, self._meters[name])
        return own[name]

    def meters(self) -> dict[str, tuple[int, int, int]]:
        """(calls, wall_ns, cpu_ns) of each model that was loaded, by name; calls are pictures."""
        with self._lock:
            return {name: meter.snapshot() for name, meter in self._meters.items()}

    def _instance(self, loaded: dict[str, M], name: str, size: Size | None, load: Callable[[ModelSpec], M]) -> M:
        """The model itself for the first thread that asks, a clone for each later one."""
        with self._loading:
            if _variant(name, size) in loaded:
                with noting_threads():
                    return loaded[_variant(name, size)].clone()
            return self._load(loaded, name, size, load)

    def _load(self, loaded: dict[str, M], name: str, size: Size | None, load: Callable[[ModelSpec], M]) -> M:
        if name not in self._specs:
            near = nearest(name, self._specs) or sorted(self._specs)
            raise ModelError(
                f"model {name}: the pipeline has no such model; nearest: {', '.join(near) or 'it has none'}"
            )
        variant, spec = _variant(name, size), self._specs[name]
        if variant not in loaded:
            loaded[variant] = load(spec if size is None else spec.model_copy(update={"size": size}))
            with self._lock:
                self._meters.setdefault(variant, Meter())
            others = [each for each in loaded if each not in self._specs]
            for old in others[:-VARIANTS]:
                del loaded[old]
        return loaded[variant]

    def _load_detector(self, spec: ModelSpec) -> LoadedDetector:
        return load_detector(spec, self._classes, search_paths=self._search_paths, threads=self._threads)

    def _load_embedder(self, spec: ModelSpec) -> LoadedEmbedder:
        return load_embedder(spec, search_paths=self._search_paths, threads=self._threads)


def _variant(name: str, size: Size | None) -> str:
    """What a model at a size is called: "big", "big@320", "big@480x864" (height, width)."""
    if size is None:
        return name
    return f"{name}@{size}" if isinstance(size, int) else f"{name}@{size[0]}x{size[1]}"
