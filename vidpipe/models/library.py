"""The models of one actor: loaded when first asked for, one instance for each thread that asks, all of them metered."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models.base import Classes, ModelSpec, Precision, Size
from vidpipe.models.detectors.detector import LoadedDetector
from vidpipe.models.embedder import LoadedEmbedder
from vidpipe.models.load import load_detector, load_embedder
from vidpipe.models.meter import Meter, MeteredDetector, MeteredEmbedder, noting_threads
from vidpipe.models.runtimes.opening import NetworkFile, Opens
from vidpipe.models.split.halves import Head, Tail
from vidpipe.models.split.metered import MeteredHead, MeteredTail

log = logging.getLogger(__name__)

_CORES = os.cpu_count() or 1
VARIANTS = 4  # that are held, beside the models as the pipeline has them

M = TypeVar("M", LoadedDetector, LoadedEmbedder)


class _Variant(NamedTuple):
    """A model as it is asked for; what is None is as the pipeline has it."""

    name: str
    size: Size | None = None
    precision: Precision | None = None
    calibrated: str | None = None

    def __str__(self) -> str:
        """What its cost is listed under: "big", "big@320", "big@480x864" (height, width), "big@480x864@int8"."""
        size = self.size if self.size is None or isinstance(self.size, int) else f"{self.size[0]}x{self.size[1]}"
        return "@".join(str(part) for part in (self.name, size, self.precision) if part is not None)

    @property
    def is_own(self) -> bool:
        """Whether it is the model as the pipeline has it."""
        return self == (self.name, None, None, None)


class Library:
    """Implements `cascade.stage.Models`.

    A model belongs to the thread that asked for it; another thread that asks gets an instance of its own, on the same
    weights. A detector at another size or precision is a variant of it: loaded and metered by itself. Of the variants
    the newest few are held; who has one keeps it.

    Args:
        specs: the pipeline's models by name.
        classes: of the pipeline.
        search_paths: folders in which relative paths are looked for, after the working directory.
        threads: for inference; None lets the runtime take all cores.
        opens: gives the network of a detector's file.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        classes: Classes,
        search_paths: Sequence[Path] = (),
        threads: int | None = None,
        opens: Opens = NetworkFile.open,
    ) -> None:
        self._opens = opens
        self._specs = specs
        self._classes = classes
        self._search_paths = search_paths
        self._threads = threads
        self._loading = threading.Lock()  # one model after another
        self._lock = threading.Lock()  # of the meters, held for moments
        self._detectors: dict[_Variant, LoadedDetector] = {}
        self._embedders: dict[_Variant, LoadedEmbedder] = {}
        self._meters: dict[str, Meter] = {}
        self._uncut: set[str] = set()  # those that cannot be
        self._of_thread = threading.local()

    def sharing(self) -> Library:
        """Another library with the models that are loaded here, which counts for itself what it is asked."""
        with self._loading:
            other = Library(self._specs, self._classes, self._search_paths, self._threads, self._opens)
            other._detectors, other._embedders = dict(self._detectors), dict(self._embedders)
            return other

    def detector(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> MeteredDetector:
        """The detector of that name, for the calling thread, or the variant of it that is asked for.

        Raises:
            ModelError: the pipeline has no such model, or it cannot be loaded, or not so.
        """
        own: WeakValueDictionary[_Variant, MeteredDetector]
        own = self._of_thread.__dict__.setdefault("detectors", WeakValueDictionary())
        variant = _variant(name, size, precision, calibrated)
        if (detector := own.get(variant)) is None:
            loaded = self._instance(self._detectors, variant, self._load_detector)
            detector = own[variant] = MeteredDetector(loaded, self._meters[str(variant)])
        return detector

    def load(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> None:
        """Have a detector loaded for threads that will ask for it; from any thread, and errors as of `detector`."""
        with self._loading:
            self._load(self._detectors, _variant(name, size, precision, calibrated), self._load_detector)

    def embedder(self, name: str) -> MeteredEmbedder:
        """The embedder of that name, for the calling thread; errors as of `detector`."""
        own: dict[str, MeteredEmbedder] = self._of_thread.__dict__.setdefault("embedders", {})
        if name not in own:
            loaded = self._instance(self._embedders, _Variant(name), self._load_embedder)
            own[name] = MeteredEmbedder(loaded, self._meters[name])
        return own[name]

    def head(self, name: str, behind: int | None) -> MeteredHead | None:
        """The head of a detector that is cut, for the calling thread; it is metered as "NAME/head".

        None where it cannot be loaded, or not be cut: the log says why, once.

        Args:
            behind: as of `Head`.
        """
        halves: dict[tuple[str, int | None], MeteredHead] = self._of_thread.__dict__.setdefault("heads", {})
        if (name, behind) not in halves and name not in self._uncut:
            with self._loading:
                self._cut(halves, name, behind)
        return halves.get((name, behind))

    def _cut(self, halves: dict[tuple[str, int | None], MeteredHead], name: str, behind: int | None) -> None:
        try:
            head = Head(self._spec(name), self._classes, behind, self._search_paths, self._threads)
        except ModelError as error:
            if name not in self._uncut:
                log.warning("%s; pictures cross in place of features", error)
            self._uncut.add(name)
        else:
            halves[name, behind] = MeteredHead(head, self._meter_of(f"{name}/head"))

    def tail(self, name: str, behind: int) -> MeteredTail:
        """The tail of a detector that is cut, for the calling thread; it is metered as "NAME/tail".

        Raises:
            ModelError: the pipeline has no such model, or it cannot be loaded, or not be cut.
        """
        halves: dict[tuple[str, int], MeteredTail] = self._of_thread.__dict__.setdefault("tails", {})
        if (name, behind) not in halves:
            with self._loading:
                tail = Tail(self._spec(name), self._classes, behind, self._search_paths, self._threads)
            halves[name, behind] = MeteredTail(tail, self._meter_of(f"{name}/tail"))
        return halves[name, behind]

    def meters(self) -> dict[str, tuple[int, int, int]]:
        """(calls, wall_ns, cpu_ns) of each model that was loaded, by name; calls are pictures."""
        with self._lock:
            return {name: meter.snapshot() for name, meter in self._meters.items()}

    def shared(self) -> dict[str, int]:
        """Of each model the pictures at which another query had looked already; those without are left out."""
        with self._lock:
            return {name: meter.shared for name, meter in self._meters.items() if meter.shared}

    def _instance(self, loaded: dict[_Variant, M], variant: _Variant, load: Callable[[ModelSpec], M]) -> M:
        """The model itself for the first thread that asks, a clone for each later one."""
        with self._loading:
            if variant in loaded:
                self._meter(variant)
                with noting_threads():
                    return loaded[variant].clone()
            return self._load(loaded, variant, load)

    def _load(self, loaded: dict[_Variant, M], variant: _Variant, load: Callable[[ModelSpec], M]) -> M:
        spec = self._spec(variant.name)
        if variant not in loaded:
            loaded[variant] = load(spec.varied(*variant[1:]))
            self._meter(variant)
            others = [each for each in loaded if not each.is_own]
            for old in others[:-VARIANTS]:
                del loaded[old]
        return loaded[variant]

    def _spec(self, name: str) -> ModelSpec:
        if name not in self._specs:
            near = nearest(name, self._specs) or sorted(self._specs)
            raise ModelError(
                f"model {name}: the pipeline has no such model; nearest: {', '.join(near) or 'it has none'}"
            )
        return self._specs[name]

    def _meter(self, variant: _Variant) -> None:
        self._meter_of(str(variant))

    def _meter_of(self, listed: str) -> Meter:
        with self._lock:
            return self._meters.setdefault(listed, Meter())

    def _load_detector(self, spec: ModelSpec) -> LoadedDetector:
        paths, threads = self._search_paths, self._threads
        return load_detector(spec, self._classes, search_paths=paths, threads=threads, opens=self._opens)

    def _load_embedder(self, spec: ModelSpec) -> LoadedEmbedder:
        return load_embedder(spec, search_paths=self._search_paths, threads=self._threads)


def _variant(name: str, size: Size | None, precision: Precision | None, calibrated: str | None) -> _Variant:
    """The folder tells int8 networks apart, and nothing else."""
    return _Variant(name, size, precision, calibrated if precision == "int8" else None)


def threads_of_a_look(streams: int, cores: int = _CORES) -> int:
    """How many threads infer, by how many streams keep the machine busy: all cores for one, one for as many as cores.

    Where all cores are busy with streams, more threads than one end a look no sooner, and wait for each other: of the
    models here a look on two cores costs 1.05 to 1.6 times the CPU of one on one core.
    """
    return max(1, cores // max(1, streams))
