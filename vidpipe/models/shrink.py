"""A detector written as a file of its own: at another size of its input, with fewer classes, or in int8.

Each is an .xml with its .bin, and a .yaml that describes it, so that a pipeline names it as any other model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from vidpipe.core.errors import ModelError
from vidpipe.core.files import write_whole
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.output_decoders.choice import DECODERS
from vidpipe.models.load import open_network
from vidpipe.models.metadata.model_metadata import ModelMetadata
from vidpipe.models.quantise import Limit, quantise
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes.openvino import OpenVINONetwork
from vidpipe.models.stores.paths import with_weights


def shrink(
    spec: ModelSpec,
    target: Path,
    *,
    size: tuple[int, int] | None = None,
    classes: Classes | None = None,
    search_paths: Sequence[Path] = (),
) -> ModelSpec:
    """Write a detector at some size of its input, and with the class heads that are needed.

    Args:
        spec: of the detector.
        target: the .xml.
        size: (height, width) in pixels; None: as the spec says.
        classes: what the heads are cut down to; None: they stay as they are.

    Returns:
        What names the new file.

    Raises:
        ModelError: the model cannot be loaded, OpenVINO does not run it, it cannot take that size, its heads cannot be
            cut, or no class would go.
    """
    varied = spec.varied(size, precision="auto")
    resolved = resolve(varied, search_paths)
    if resolved.origin == "python":
        raise ModelError(f"model {spec.path}: a Python class computes as it likes: it cannot be made smaller")
    network, decoder, labels = open_network(varied, resolved, Classes({}), search_paths, None)
    if not isinstance(network, OpenVINONetwork):
        raise ModelError(f"model {spec.path}: only what OpenVINO runs can be made smaller: an .xml, .onnx or .tflite")
    names = [str(name) for name in labels.names]
    if classes is not None:
        kept = [index for index, number in enumerate(classes.table(names)) if number >= 0]
        if decoder.classes is None or not 0 < len(kept) < len(names):
            raise ModelError(f"model {spec.path}: its class heads cannot be cut: no class would go")
        network.keep_classes(len(names), kept, decoder.pixels)
        names = [names[index] for index in kept]
    network.write(target)
    family: Any = next(name for name, each in DECODERS.items() if isinstance(decoder, each))
    metadata = ModelMetadata(
        family=family,
        names=tuple(names),
        threshold=resolved.threshold,
        size=network.size,
        licence=resolved.licence,
    )
    describe(target, metadata)
    return ModelSpec(path=str(target), slicing=spec.slicing)


def in_int8(spec: ModelSpec, target: Path, pictures: Sequence[Image], limit: Limit | None = None) -> ModelSpec:
    """Write the int8 network of a model that `shrink` has written; arguments and errors as of `quantise`."""
    file = Path(spec.path)
    folder = target.with_suffix("")
    place(quantise(spec, Classes({}), pictures, folder, limit=limit), target)
    describe(target, ModelMetadata(**yaml.safe_load(file.with_suffix(".yaml").read_text())))
    return spec.model_copy(update={"path": str(target)})


def place(file: Path, target: Path) -> None:
    """Copy an .xml with its weights to another name; the network goes last, so that it is never there alone.

    Raises RunError where it cannot be written.
    """
    for each in reversed(list(with_weights(file))):
        write_whole(target.with_suffix(each.suffix), each.read_bytes(), "model")


def describe(file: Path, metadata: ModelMetadata) -> None:
    """Write what is known of a model beside it; raises RunError where it cannot be written."""
    known = metadata.model_dump(mode="json", exclude_none=True)
    write_whole(file.with_suffix(".yaml"), yaml.safe_dump(known, sort_keys=False), "description")
