"""From a detector to its int8 network: post-training quantisation, calibrated on frames of the stream that it will see.

Weights and activations get 8 bits each. The range of an activation is read off the network's own values on some
frames (Jacob et al., CVPR 2018), and the mean error of each layer is put into its bias (Nagel et al., ICCV 2019);
NNCF does both. No labels are needed. What it loses on the stream is for `vidpipe tune` to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import found
from vidpipe.models.detectors.output_decoders import OutputDecoder, Outputs
from vidpipe.models.letterbox import Letterbox, Placement
from vidpipe.models.load import fetch, open_network
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes import Network, nncf
from vidpipe.models.runtimes.openvino import OpenVINONetwork, save
from vidpipe.models.stores import int8

if TYPE_CHECKING:
    import supervision as sv

FEWEST = 8
"""Frames under which nothing is calibrated: what they do not show would be cut off."""
ENOUGH = 32
"""Frames that are calibrated on where there are as many: each costs some looks."""


class Limit(NamedTuple):
    """What an int8 network may lose; layers go back to float until it loses no more.

    Attributes:
        pictures: that it is scored on, uint8 BGR [h, w, 3].
        score: of what is found in some of them, given with their numbers: of all together, and of each.
        drop: how much lower than the float network's the score of all may be.
    """

    pictures: Sequence[Image]
    score: Callable[[Sequence[tuple[int, sv.Detections]]], tuple[float, list[float]]]
    drop: float


def quantise(
    spec: ModelSpec,
    classes: Classes,
    pictures: Sequence[Image],
    folder: Path,
    *,
    search_paths: Sequence[Path] = (),
    limit: Limit | None = None,
) -> Path:
    """Make the int8 network of a detector, unless the folder has it already; takes seconds.

    Args:
        spec, classes, search_paths: as of `load_detector`.
        pictures: uint8 BGR [h, w, 3] of any size, of what it will see.
        folder: to keep it in; `calibrated` of a spec then names this.
        limit: what it may lose; None: every layer is int8. To rank layers takes minutes.

    Returns:
        Its .xml.

    Raises:
        ModelError: the model cannot be loaded or quantised, NNCF is not installed, or the pictures are too few.
        RunError: the folder cannot be written.
    """
    spec = spec.varied(precision="auto")
    file = fetch(spec, search_paths)
    resolved = resolve(spec, search_paths, classes)
    if resolved.origin == "python":
        raise ModelError(f"model {spec.path}: a Python class computes as it likes: it cannot be quantised")
    with suppress(ModelError):
        return int8.find(folder, file, resolved.size)
    nncf.check_installed(file)
    if len(pictures) < FEWEST:
        raise ModelError(
            f"model {spec.path}: int8 is calibrated on {FEWEST} frames at least, {len(pictures)} are there: give "
            "longer footage"
        )
    network, decoder, labels = open_network(spec, resolved, classes, search_paths, None)
    if not isinstance(network, OpenVINONetwork):
        raise ModelError(f"model {spec.path}: only what OpenVINO runs can be quantised to int8")
    if network.is_int8:
        raise ModelError(f"model {spec.path}: its network is int8 already")
    placed = [_placed(picture, network, decoder)[0] for picture in pictures]
    if limit is None:
        made = network.quantise(decoder.pixels, placed)
    else:
        checked, placements = zip(*(_placed(each, network, decoder) for each in limit.pictures), strict=True)

        def score(outputs: Sequence[tuple[int, Outputs]]) -> tuple[float, list[float]]:
            seen = [(each, found(given, placements[each], None, decoder, labels)) for each, given in outputs]
            return limit.score(seen)

        made = network.quantise_most(decoder.pixels, placed, checked, score, limit.drop)
    return int8.keep(folder, file, resolved.size, len(pictures), lambda target: save(made, target))


def _placed(picture: Image, network: Network, decoder: OutputDecoder) -> tuple[Image, Placement]:
    """A picture as it comes to lie in the network's input, and where."""
    target = np.zeros((*network.size, 3), np.uint8)
    placement = Letterbox(decoder.letterbox, target).put(picture)
    return target, placement
