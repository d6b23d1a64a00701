"""What detectors make of a picture before their networks see it, known without loading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.models.base import ModelSpec, Size
from vidpipe.models.letterbox import NetworkInput


class NetworkInputs:
    """The inputs of a pipeline's detectors, by name.

    Args:
        known: those that are known, each at the size that the pipeline has it at.
    """

    def __init__(self, known: Mapping[str, NetworkInput]) -> None:
        self._known = dict(known)

    @classmethod
    def of(cls, specs: Mapping[str, ModelSpec], search_paths: Sequence[str]) -> NetworkInputs:
        """As far as their descriptions and files on this machine tell."""
        folders = [Path(path) for path in search_paths]
        found = {name: network_input(spec, folders) for name, spec in specs.items()}
        return cls({name: each for name, each in found.items() if each is not None})

    def get(self, name: str, size: Size | None = None) -> NetworkInput | None:
        """Of a detector; None where it is not known, or looks at anything but whole pictures.

        Args:
            size: of the variant that is asked for, in place of what the model has (`ModelSpec`).
        """
        known = self._known.get(name)
        if known is None or size is None:
            return known
        return known._replace(size=(size, size) if isinstance(size, int) else size)


def network_input(spec: ModelSpec, search_paths: Sequence[Path] = ()) -> NetworkInput | None:
    """What a detector lays whole pictures into; None where nobody can tell before it is loaded (a class of a user's, a
    network of no known family), and of one that looks at tiles as well, which need the picture as it is."""
    from vidpipe.models.detectors.output_decoders.choice import DECODERS
    from vidpipe.models.load import DEFAULT_SIZE
    from vidpipe.models.metadata.embedded import input_size
    from vidpipe.models.metadata.model_metadata import catalogued_input, metadata_of
    from vidpipe.models.resolve import resolve

    if spec.slicing is not None:
        return None
    try:
        resolved = resolve(spec, search_paths)
        file, family, size = resolved.file, resolved.family, resolved.size
        if size is None and (resolved.origin == "ultralytics" or (file is not None and file.suffix == ".pt")):
            size = DEFAULT_SIZE
    except ModelError:  # it runs elsewhere, and its file is not here
        described = metadata_of(spec.path, None)
        asked = spec.size or described.size
        file, family, size = None, spec.family or described.family, (asked, asked) if isinstance(asked, int) else asked
    if family not in DECODERS:
        return None
    size = size or (input_size(file) if file is not None else catalogued_input(Path(spec.path).stem))
    return NetworkInput(size, DECODERS[family].letterbox) if size is not None else None
