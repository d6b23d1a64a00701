"""The reference: what the most accurate model says of every frame. It is slow, so it is kept, and gone on with."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vidpipe.accuracy.reference.cache import Head, ReferenceCache, ReferenceCacheWriter
from vidpipe.accuracy.reference.predictions import FLOOR, Predictions, Viewer, series_of
from vidpipe.core.settings import Knobs
from vidpipe.core.versions import versions
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.cache import cache_dir
from vidpipe.models.detectors.detector import thresholds
from vidpipe.models.load import fetch, quantised_file, runtime_of
from vidpipe.models.resolve import resolve
from vidpipe.models.stores.paths import with_weights
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.open import open_source

_log = logging.getLogger(__name__)
_FORMAT = 2  # of entries, and of what a prediction is
_LARGE_BYTES = 500_000_000  # takes a second or more to read
_LIBRARIES = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime",), "torch": ("torch",)}
_PICKLED = ("torch", "ultralytics")  # what a .pt goes through, whatever runs it in the end


def reference(
    stream: StreamSpec,
    name: str,
    spec: ModelSpec,
    classes: Classes,
    *,
    search_paths: Sequence[Path] = (),
    cache: Path | None = None,
    progress: Callable[[int], None],
) -> Predictions:
    """Look at every frame of a stream; what was looked at before, by this or another process, comes from the cache.

    Args:
        name, spec, classes, search_paths, progress: as of `predict`.
        cache: file to keep predictions in; None: `reference.sqlite3` in `$VIDPIPE_CACHE` or `~/.cache/vidpipe`. Where
            it cannot be written, a warning says so, and nothing is kept.

    Raises:
        ConfigError: the source or the model cannot be opened.
    """
    open_source(name, stream, knobs=Knobs()).close()  # what cannot be read is told before its gigabytes are hashed
    known = ReferenceCache(cache or cache_dir() / "reference.sqlite3")
    key = _key(stream, spec, classes, search_paths)
    head, predictions, finished = known.read(key)
    progress(len(predictions))
    cost = math.nan, math.nan, math.nan, 0
    if head is None or not finished:
        resume = Resume(predictions[-1].seq, predictions[-1].pts) if predictions else None
        viewer = Viewer(stream, name, spec, classes, search_paths, resume)
        traits = viewer.traits
        head = Head(names=traits.names, width=viewer.width, height=viewer.height, size=traits.size, usual=traits.usual)
        predictions = list(predictions)
        with ReferenceCacheWriter(known, key, head, len(predictions)) as writer:
            for prediction in viewer.predict():
                predictions.append(prediction)
                writer.add(prediction)
                progress(1)
            writer.finish()
        cost = viewer.cost()
    # Thresholds are the spec's of today: they are no part of what is kept.
    least = thresholds(head.names, resolve(spec, search_paths, classes).threshold, head.usual)
    return Predictions(series_of(predictions, head.names, head.width, head.height), least, head.size, *cost)


def _key(stream: StreamSpec, spec: ModelSpec, classes: Classes, search_paths: Sequence[Path]) -> str:
    """Names the entry: two looks that could differ have not the same."""
    resolved = resolve(spec, search_paths, classes)
    file = resolved.file or fetch(spec, search_paths)
    runtime = runtime_of(spec, file)
    libraries = ("vidpipe", "av", "numpy", "opencv-python", *_LIBRARIES[runtime])
    parts: dict[str, Any] = {
        "format": _FORMAT,
        "floor": FLOOR,
        "clip": _sha256(Path(stream.recording.url).expanduser()),
        "stream": stream.model_dump(include={"mask", "regions", "start_s", "end_s"}),
        "model": [_sha256(part) for part in with_weights(file)],
        "read": [resolved.family, resolved.names, resolved.size, runtime],
        "slicing": spec.slicing and spec.slicing.model_dump(),
        "classes": list(classes.mapping.items()),
        "versions": versions((*libraries, *_PICKLED) if file.suffix == ".pt" else libraries),
    }
    if spec.precision != "auto":
        parts["precision"] = spec.precision
    if quantised := quantised_file(spec, resolved, file, search_paths):
        parts["int8"] = [_sha256(part) for part in with_weights(quantised)]
    if runtime == "torch":
        from vidpipe.models.runtimes.torch import has_cuda

        parts["cuda"] = has_cuda()  # half precision there, single elsewhere
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        if (nbytes := path.stat().st_size) > _LARGE_BYTES:
            _log.warning("reading all %.1f GB of %s to know it again", nbytes / 1e9, path)
        return hashlib.file_digest(file, "sha256").hexdigest()
