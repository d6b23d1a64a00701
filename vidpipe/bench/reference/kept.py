"""The reference: what the most accurate model says of every frame. It is slow, so it is kept, and gone on with."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from vidpipe.bench.cost.machine import versions
from vidpipe.bench.reference.entry import Head, Keeper, Kept, read
from vidpipe.bench.reference.looks import FLOOR, Looks, Viewer, series_of
from vidpipe.knobs import Knobs
from vidpipe.models import places
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.describe import describe
from vidpipe.models.detector import thresholds
from vidpipe.models.load import fetch, runtime_of
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.open import open_source

_log = logging.getLogger(__name__)
_FORMAT = 1  # of entries, and of what a look is
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
) -> Looks:
    """Look at every frame of a stream; what was looked at before, by this or another process, comes from the cache.

    Args:
        name, spec, classes, search_paths, progress: as of `look`.
        cache: folder to keep looks in; None: `reference` in `$VIDPIPE_CACHE` or `~/.cache/vidpipe`. Where it cannot
            be written, a warning says so, and nothing is kept.

    Raises:
        ConfigError: the source or the model cannot be opened.
    """
    open_source(name, stream, knobs=Knobs()).close()  # what cannot be read is told before its gigabytes are hashed
    folder = (cache or places.cache_dir() / "reference") / _key(stream, spec, classes, search_paths)
    kept = read(folder)
    if not kept.finished:
        with _turn(folder) as writable:
            kept = read(folder)  # another process may have been at it
            if not kept.finished:
                viewer = Viewer(stream, name, spec, classes, search_paths, _behind(kept))
                progress(len(kept.looks))
                kept = _go_on(viewer, kept, folder if writable else None, progress)
                return _looks(kept, spec, classes, search_paths, viewer.cost())
    progress(len(kept.looks))
    return _looks(kept, spec, classes, search_paths, (math.nan, math.nan, math.nan, 0))


def _behind(kept: Kept) -> Resume | None:
    return Resume(kept.looks[-1].seq, kept.looks[-1].pts) if kept.looks else None


def _go_on(viewer: Viewer, kept: Kept, folder: Path | None, progress: Callable[[int], None]) -> Kept:
    traits = viewer.traits
    head = Head(traits.names, viewer.width, viewer.height, traits.size, traits.usual)
    looks = list(kept.looks)
    with Keeper(folder, head, kept) as keeper:
        for look in viewer.look():
            looks.append(look)
            keeper.add(look)
            progress(1)
        keeper.finish()
    return Kept(head, looks, 0, True)


def _looks(
    kept: Kept,
    spec: ModelSpec,
    classes: Classes,
    search_paths: Sequence[Path],
    cost: tuple[float, float, float, int],
) -> Looks:
    """Thresholds are the spec's of today: they are no part of what was kept."""
    assert kept.head is not None
    head = kept.head
    series = series_of(kept.looks, head.names, head.width, head.height)
    threshold = describe(spec, search_paths, classes).threshold
    return Looks(series, thresholds(head.names, threshold, head.usual), head.size, *cost)


def _key(stream: StreamSpec, spec: ModelSpec, classes: Classes, search_paths: Sequence[Path]) -> str:
    """Names the entry: two looks that could differ have not the same."""
    described = describe(spec, search_paths, classes)
    file = described.file or fetch(spec, search_paths)
    runtime = runtime_of(spec, file)
    libraries = ("vidpipe", "av", "numpy", "opencv-python", *_LIBRARIES[runtime])
    parts: dict[str, Any] = {
        "format": _FORMAT,
        "floor": FLOOR,
        "clip": _sha256(Path(stream.recording.url).expanduser()),
        "stream": stream.model_dump(include={"mask", "regions", "start_s", "end_s"}),
        "model": [_sha256(part) for part in places.with_weights(file)],
        "read": [described.family, described.names, described.size, runtime],
        "slicing": spec.slicing and spec.slicing.model_dump(),
        "classes": list(classes.mapping.items()),
        "versions": versions((*libraries, *_PICKLED) if file.suffix == ".pt" else libraries),
    }
    if runtime == "torch":
        parts["cuda"] = _has_cuda()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        if (nbytes := path.stat().st_size) > _LARGE_BYTES:
            _log.warning("reading all %.1f GB of %s to know it again", nbytes / 1e9, path)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has_cuda() -> bool:
    """Half precision there, single elsewhere."""
    from vidpipe.models.runtimes.torch import has_cuda

    return has_cuda()


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Whether the entry may be written, for one process at a time; another waits until the first has ended."""
    lock = _lock(folder)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.close()


def _lock(folder: Path) -> TextIO | None:
    """The open file that holds the lock; None where there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("another process makes this reference: waiting for it (%s)", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        _log.warning("the cache %s cannot be written (%s): going on without it", folder, error.strerror)
        return None
    return lock
