"""From a detector to its int8 network: post-training quantisation, calibrated on frames of the stream that it will see.

Weights and activations get 8 bits each. The range of an activation is read off the network's own values on some
frames (Jacob et al., CVPR 2018), and the mean error of each layer is put into its bias (Nagel et al., ICCV 2019);
NNCF does both. No labels are needed. What it loses on the stream is for `vidpipe tune` to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.output_decoders import OutputDecoder
from vidpipe.models.letterbox import Letterbox
from vidpipe.models.load import fetch, open_network
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes import Network, nncf
from vidpipe.models.runtimes.openvino import OpenVINONetwork, save
from vidpipe.models.stores import int8

FEWEST = 8
"""Frames under which nothing is calibrated: what they do not show would be cut off."""
ENOUGH = 32
"""Frames that are calibrated on where there are as many: each costs some looks."""


def quantise(
    spec: ModelSpec, classes: Classes, pictures: Sequence[Image], folder: Path, *, search_paths: Sequence[Path] = ()
) -> Path:
    """Make the int8 network of a detector, unless the folder has it already; takes seconds.

    Args:
        spec, classes, search_paths: as of `load_detector`.
        pictures: uint8 BGR [h, w, 3] of any size, of what it will see.
        folder: to keep it in; `calibrated` of a spec then names this.

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
    network, decoder, _ = open_network(spec, resolved, classes, search_paths, None)
    if not isinstance(network, OpenVINONetwork):
        raise ModelError(f"model {spec.path}: only what OpenVINO runs can be quantised to int8")
    if network.is_int8:
        raise ModelError(f"model {spec.path}: its network is int8 already")
    made = network.quantise(decoder.pixels, [_placed(picture, network, decoder) for picture in pictures])
    return int8.keep(folder, file, resolved.size, len(pictures), lambda target: save(made, target))


def _placed(picture: Image, network: Network, decoder: OutputDecoder) -> Image:
    """A picture as it comes to lie in the network's input."""
    target = np.zeros((*network.size, 3), np.uint8)
    Letterbox(decoder.letterbox, target).put(picture)
    return target
