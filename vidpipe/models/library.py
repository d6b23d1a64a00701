"""The models of one actor: loaded when first asked for, one instance for each thread that asks, all of them metered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from vidpipe.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detector import LoadedDetector
from vidpipe.models.embedder import LoadedEmbedder
from vidpipe.models.load import load_detector, load_embedder
from vidpipe.models.meter import Meter, MeteredDetector, MeteredEmbedder, noting_threads
from vidpipe.nearest import nearest

M = TypeVar("M", LoadedDetector, LoadedEmbedder)


class Library:
    """Implements `stages.base.Models`.

    A model belongs to the thread that asked for it; another thread that asks gets an instance of its own, on the same
    weights.

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
        self._lock = threading.Lock()
        self._detectors: dict[str, LoadedDetector] = {}
        self._embedders: dict[str, LoadedEmbedder] = {}
        self._meters: dict[str, Meter] = {}
        self._of_thread = threading.local()

    def detector(self, name: str) -> MeteredDetector:
        """The detector of that name, for the calling thread.

        Raises:
            ModelError: the pipeline has no such model, or it cannot be loaded.
        """
        own: dict[str, MeteredDetector] = self._of_thread.__dict__.setdefault("detectors", {})
        if name not in own:
            own[name] = MeteredDetector(self._instance(name, self._detectors, self._load_detector), self._meters[name])
        return own[name]

    def embedder(self, name: str) -> MeteredEmbedder:
        """The embedder of that name, for the calling thread; errors as of `detector`."""
        own: dict[str, MeteredEmbedder] = self._of_thread.__dict__.setdefault("embedders", {})
        if name not in own:
            own[name] = MeteredEmbedder(self._instance(name, self._embedders, self._load_embedder), self._meters[name])
        return own[name]

    def meters(self) -> dict[str, tuple[int, int, int]]:
        """(calls, wall_ns, cpu_ns) of each model that was loaded, by name; calls are pictures."""
        with self._lock:
            return {name: meter.snapshot() for name, meter in self._meters.items()}

    def _instance(self, name: str, loaded: dict[str, M], load: Callable[[ModelSpec], M]) -> M:
        """The model itself for the first thread that asks, a twin for each later one."""
        if name not in self._specs:
            near = nearest(name, self._specs) or sorted(self._specs)
            raise ModelError(
                f"model {name}: the pipeline has no such model; nearest: {', '.join(near) or 'it has none'}"
            )
        with self._lock:
            if name in loaded:
                with noting_threads():
                    return loaded[name].twin()
            loaded[name] = load(self._specs[name])
            self._meters.setdefault(name, Meter())
            return loaded[name]

    def _load_detector(self, spec: ModelSpec) -> LoadedDetector:
        return load_detector(spec, self._classes, search_paths=self._search_paths, threads=self._threads)

    def _load_embedder(self, spec: ModelSpec) -> LoadedEmbedder:
        return load_embedder(spec, search_paths=self._search_paths, threads=self._threads)
