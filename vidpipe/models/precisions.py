"""What a model can compute in on this machine, and what a look costs by that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from vidpipe.core.frame import Image
from vidpipe.models.base import Detector, ModelSpec, Precision
from vidpipe.models.load import fetch, runtime_of
from vidpipe.models.meter import Meter
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes import nncf, openvino

K = TypeVar("K")


def others(spec: ModelSpec, search_paths: Sequence[Path] = ()) -> list[Precision]:
    """In what a model can compute on this machine, besides what it does as it is; bit by bit fewer.

    int8 is among it where NNCF is installed: the network may still have to be made.

    Raises:
        ModelError: the model cannot be found or fetched.
    """
    if resolve(spec, search_paths).origin == "python" or runtime_of(spec, fetch(spec, search_paths)) != "openvino":
        return []
    able: list[Precision] = ["f32"]
    if openvino.has_bf16():
        able.append("bf16")
    if nncf.is_installed():
        able.append("int8")
    own = openvino.usual() if spec.precision == "auto" else spec.precision
    return [each for each in able if each != own]


def look_ms(detectors: Mapping[K, Detector], pictures: Sequence[Image], rounds: int) -> dict[K, float]:
    """CPU milliseconds of a look of each detector, the median of so many.

    They look in turns: a machine is faster one minute than the next.
    """
    meters: dict[K, list[Meter]] = {name: [] for name in detectors}
    for number in range(rounds):
        picture = pictures[number % len(pictures)]
        for name, detector in detectors.items():
            meters[name].append(Meter())
            with meters[name][-1].measure(1):
                detector.detect([picture])
    return {name: median(meter.cpu_ns for meter in each) / 1e6 for name, each in meters.items()}
