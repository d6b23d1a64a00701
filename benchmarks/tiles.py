"""`python -m benchmarks tiles`: one picture in tiles on several machines, against whole pictures on each of them.

The first layers of a network, up to its best cut, run on vertical strips of the picture, one a machine; what they make
of it is gathered, and the rest runs on one of them (DeepThings, TCAD 2018; MoDNN, DATE 2017). A strip has a margin on
each side that it shares with its neighbour, as wide as the layers look: without it they find something else there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from benchmarks.footage import ASSETS
from vidpipe.models.runtimes.cuts import Graph

MODELS = {
    "yolox_nano": ("yolox_nano.onnx", 416, 416),
    "2000": ("person-vehicle-bike-detection-2000.xml", 256, 256),
    "2003": ("person-vehicle-bike-detection-2003.xml", 480, 864),
}
MACHINES = (2, 4)
RUNS = 15  # of which the median counts
STEP = 32  # pixels: sides that networks take

HEAD = """## Tiles on several machines

    python -m benchmarks tiles

The first layers of a network on vertical strips of the picture, one a machine, and the rest of it on one of
them; one thread each, CPU time, medians of {runs} runs. *Margin*: pixels on each side of a strip that its neighbour has
too, for the layers to see what they see in the whole picture. *Work*: CPU of all machines together, against the whole
network. *Latency*: how many times sooner a picture is answered, if the network between them took no time. *Pictures a
second*: with tiles, against one machine; whole pictures on so many machines are as many times more.

| model | machines | margin | share of the first layers | work | latency | pictures a second | whole pictures |
|---|---|---|---|---|---|---|---|"""

TAIL = """
Whole pictures, each on one machine, need no margin and wait for nobody; so tiles are not built. Where one picture must
be answered sooner than one machine can, a smaller model or size is the cheaper way.
"""


class Halves(NamedTuple):
    """A network cut in two, for pictures of (height, width).

    Attributes:
        stride: pixels for a column of what crosses.
    """

    head: ov.Model
    tail: ov.Model
    size: tuple[int, int]
    stride: int


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The section of the page, line by line; these models, or all."""
    yield HEAD.format(runs=RUNS)
    for name in names or MODELS:
        yield from _rows(name)
    yield TAIL


def _rows(name: str) -> Iterator[str]:
    file, height, width = MODELS[name]
    model = ov.Core().read_model(str(ASSETS / "models" / file))
    shape = tuple(model.inputs[0].shape)
    model.reshape([1, 3, height, width] if shape[1] == 3 else [1, height, width, 3])
    graph = Graph(model, name)
    cut = graph.best()
    halves = Halves(*graph.halves(cut.behind), (height, width), width // cut.shapes[0][-1])
    margin = _margin(halves)
    strips = {machines: [_strip(halves, machines, at, margin) for at in range(machines)] for machines in MACHINES}
    widths = sorted({strip for every in strips.values() for strip in every})
    took_ms = _ms([model, halves.tail, *(_reshaped(halves.head, height, width) for width in widths)])
    whole_ms, tail_ms, times = took_ms[0], took_ms[1], dict(zip(widths, took_ms[2:], strict=True))
    for machines, every in strips.items():
        work = sum(times[strip] for strip in every) + tail_ms
        slowest = max(times[strip] for strip in every) + tail_ms
        yield (
            f"| {name} | {machines} | {margin} | {1 - tail_ms / whole_ms:.2f} | {work / whole_ms:.2f} "
            f"| {whole_ms / slowest:.2f} | {machines * whole_ms / work:.2f} | {machines} |"
        )


def _strip(halves: Halves, machines: int, number: int, margin: int) -> int:
    """Width of a strip, with its margins; never wider than the picture."""
    width = halves.size[1]
    sides = (number > 0) + (number < machines - 1)
    wide = width / machines + sides * margin
    return min(width, int(np.ceil(wide / STEP)) * STEP)


def _margin(halves: Halves) -> int:
    """How far the first layers look to a side, by how far a pixel in the middle reaches what they make."""
    height, width = halves.size
    run = _compiled(halves.head)
    random = np.random.default_rng(1)
    reach = 0
    for _ in range(5):
        picture = random.uniform(0, 255, halves.head.inputs[0].shape).astype(np.float32)
        other = picture.copy()
        planar = picture.shape[1] == 3
        at = (0, slice(None), height // 2, width // 2) if planar else (0, height // 2, width // 2)
        other[at] = 255 - other[at] + 255
        for one, two in zip(run(picture), run(other), strict=True):
            changed = np.flatnonzero(np.abs(one - two).max(axis=(0, 1, 2)) > 0)
            middle = one.shape[-1] / 2
            reach = max(reach, int(np.abs(changed + 0.5 - middle).max() * width / one.shape[-1]))
    return reach


def _reshaped(model: ov.Model, height: int, width: int) -> ov.Model:
    other = model.clone()
    planar = other.inputs[0].shape[1] == 3
    other.reshape([1, 3, height, width] if planar else [1, height, width, 3])
    return other


def _compiled(model: ov.Model) -> Callable[..., list[NDArray[np.float32]]]:
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()

    def run(*tensors: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        request.infer(dict(enumerate(tensors)))
        return [np.array(request.get_output_tensor(port).data) for port in range(len(model.outputs))]

    return run


def _ms(models: Sequence[ov.Model]) -> list[float]:
    """CPU of a run of each on one thread, in turns: what else the machine does counts for all of them."""
    runs = [(_compiled(model), [np.full(port.shape, 100, np.float32) for port in model.inputs]) for model in models]
    times = np.zeros((RUNS, len(runs)))
    for number in range(-3, RUNS):
        for at, (run, inputs) in enumerate(runs):
            began = time.process_time()
            run(*inputs)
            if number >= 0:
                times[number, at] = 1000 * (time.process_time() - began)
    return [float(each) for each in np.median(times, axis=0)]
