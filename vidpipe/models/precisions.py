"""What a model can compute in on this machine, and what a look costs by that, in time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, Detector, ModelSpec, Precision
from vidpipe.models.load import fetch, load_detector, runtime_of
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


def memory_mb(spec: ModelSpec, classes: Classes, search_paths: Sequence[Path] = ()) -> float:
    """Megabytes that a model adds to a process that has loaded OpenVINO already, with its first look; takes seconds.

    It is loaded in a process of its own: what another model has left in memory here would be used again.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(_grown_mb, spec, dict(classes.mapping), list(search_paths)).result()


def _grown_mb(spec: ModelSpec, classes: Mapping[str, Sequence[str]], search_paths: Sequence[Path]) -> float:
    from psutil import Process

    openvino.usual()
    import_module("supervision")  # a detector loads it with its first answer
    before = Process().memory_info().rss
    detector = load_detector(spec, Classes(classes), search_paths=search_paths)
    detector.detect([np.zeros((*detector.traits.size, 3), np.uint8)])
    return (Process().memory_info().rss - before) / 1e6
