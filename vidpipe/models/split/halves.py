"""The two halves of a detector whose network is cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import Labels, found
from vidpipe.models.detectors.output_decoders import OutputDecoder
from vidpipe.models.letterbox import Letterbox, placement_of
from vidpipe.models.load import open_network
from vidpipe.models.meter import noting_threads
from vidpipe.models.resolve import resolve
from vidpipe.models.split.coding import Features, decode, encode

if TYPE_CHECKING:
    import supervision as sv

    from vidpipe.models.runtimes.cuts import Cut
    from vidpipe.models.runtimes.openvino import OpenVINONetwork


class Head:
    """Turns pictures into what the tail needs. Not to be shared by threads: `clone` makes one for another.

    Args:
        spec: the model as the user wrote it.
        behind: the operation to cut behind; None: where least crosses.

    Attributes:
        cut: where the network is cut.

    Raises:
        ModelError: it cannot be loaded, or not be cut.
    """

    def __init__(
        self, spec: ModelSpec, classes: Classes, behind: int | None, search_paths: Sequence[Path], threads: int | None
    ) -> None:
        with noting_threads():
            network, decoder, _ = _opened(spec, classes, search_paths, threads)
            self.cut = _cut(network, behind)
            self._fingerprint = network.graph.fingerprint
            self._session = network.head(self.cut, decoder.pixels)
            self._session.pictures[:] = 128
            self._session.run(1)  # the first run is slow: not on a frame's time
        self._letterbox = Letterbox(decoder.letterbox, self._session.pictures[0])

    def features(self, image: Image, bits: int) -> Features:
        """Of a picture, uint8 BGR [h, w, 3] of any size, in so many bits a value."""
        self._letterbox.put(image)
        return Features(encode(self._session.run(1), bits), self.cut.behind, self._fingerprint)


class Tail:
    """Finds objects in what a head has made of a picture; arguments and errors as of `Head`."""

    def __init__(
        self, spec: ModelSpec, classes: Classes, behind: int, search_paths: Sequence[Path], threads: int | None
    ) -> None:
        with noting_threads():
            network, self._decoder, self._labels = _opened(spec, classes, search_paths, threads)
            self._name = spec.path
            self._cut = _cut(network, behind)
            self._size = network.size
            self._fingerprint = network.graph.fingerprint
            self._run = network.tail(self._cut)
            self._run([np.zeros(shape, np.float32) for shape in self._cut.shapes])  # as in `Head`

    def detect(self, features: Features, size: tuple[int, int], floor: float | None = None) -> sv.Detections:
        """Objects in pixels of a picture of that (width, height); see `Detector.detect`.

        Raises:
            ModelError: the features are damaged, or of another network than this one.
        """
        if features.fingerprint != self._fingerprint or features.maps.shapes != self._cut.shapes:
            raise ModelError(
                f"model {self._name}: features of another network came: the file, OpenVINO's version or the size of "
                "the input differs where the head runs"
            )
        outputs = self._run(decode(features.maps))
        placement = placement_of(self._decoder.letterbox, self._size, size)
        return found(outputs, placement, floor, self._decoder, self._labels)


def _opened(
    spec: ModelSpec, classes: Classes, search_paths: Sequence[Path], threads: int | None
) -> tuple[OpenVINONetwork, OutputDecoder, Labels]:
    from vidpipe.models.runtimes.openvino import OpenVINONetwork

    if spec.slicing is not None:
        raise ModelError(f"model {spec.path}: cannot be cut: it looks at tiles as well")
    resolved = resolve(spec, search_paths, classes)
    if resolved.origin == "python":
        raise ModelError(f"model {spec.path}: cannot be cut: it is a Python class")
    network, decoder, labels = open_network(spec, resolved, classes, search_paths, threads)
    if not isinstance(network, OpenVINONetwork):
        raise ModelError(f"model {spec.path}: cannot be cut: only OpenVINO's networks can")
    return network, decoder, labels


def _cut(network: OpenVINONetwork, behind: int | None) -> Cut:
    return network.graph.best() if behind is None else network.graph.at(behind)
