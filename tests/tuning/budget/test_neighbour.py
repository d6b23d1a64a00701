"""A real run beside a busy neighbour: it gets by with half of the machine within two seconds, and comes back."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import clips
from tests.models.networks import saved, yolo_columns
from tests.tuning.budget.profiles import FPS, known, tried, yard
from tests.waiting import until
from vidpipe.models.load import load_detector
from vidpipe.runtime.driver.session import Run
from vidpipe.tuning.budget.apply import apply_budget
from vidpipe.tuning.budget.capacity import machine
from vidpipe.tuning.budget.limits import parse

pytestmark = [pytest.mark.timed, pytest.mark.timeout(180)]

SECONDS = 60
SIZE = (320, 320)
LAYERS = 5  # of which a look takes some 10 ms
SPINS = "while True: pass"


def working_network(file, layers):
    """A YOLO that says the same of every picture, after so many layers of work."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "image"
    for layer in range(layers):
        shape = (16, 3 if layer == 0 else 16, 3, 3)
        weights.append(numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), f"weight{layer}"))
        nodes.append(helper.make_node("Conv", [last, f"weight{layer}"], [f"conv{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]))
        last = f"relu{layer}"
    table = yolo_columns([(30, 30, 20, 20, 0, 0.9)], 1, SIZE)
    weights += [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.float32(0), "zero")]
    nodes += [
        helper.make_node("ReduceMean", [last], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["out"]),
    ]
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *SIZE])
    given = helper.make_tensor_value_info("out", TensorProto.FLOAT, table.shape)
    return saved(file, nodes, [taken], [given], weights, {"names": "{0: 'thing'}"})


@contextmanager
def neighbours(count):
    """Processes that take all CPU time that they get."""
    busy = [subprocess.Popen([sys.executable, "-c", SPINS]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def look_ms(pipeline):
    """CPU time of a look of the last stage."""
    detector = load_detector(
        pipeline.models["big"], pipeline.classes, search_paths=[Path(path) for path in pipeline.search_paths]
    )
    pictures = [np.full((240, 320, 3), 90, np.uint8)] * 20
    detector.detect(pictures[:1])
    before = time.process_time()
    for picture in pictures:
        detector.detect([picture])
    return (time.process_time() - before) / len(pictures) * 1000


@pytest.mark.long
def test_beside_a_busy_neighbour_a_run_gets_by_with_less_and_comes_back(tmp_path):
    """One thread looks for both streams, and takes half a core; beside so many others it gets a quarter."""
    cores, streams = machine().cores, ("a", "b")
    for name in streams:
        clips.encode(tmp_path / f"{name}.mp4", frames=round(SECONDS * FPS), fps=round(FPS))
    pipeline = yard(tmp_path, *streams)
    working_network(tmp_path / "big.onnx", LAYERS)
    every_ms = look_ms(pipeline) + 2.0
    steps = [(1.0, 0.6), (0.5, 0.75), (0.2, 0.9), (0.1, 0.95), (0.0, 1.0)]
    frontier = tuple(tried(between_s, every_ms / max(1.0, between_s * FPS), f1) for between_s, f1 in steps)
    known(pipeline, tmp_path, **dict.fromkeys(streams, frontier))
    pipeline, _ = apply_budget(pipeline, parse(f"cpu={cores}"), tmp_path)
    with Run(pipeline, engine="inline", results=False) as run:
        until(lambda: run.status().streams.get(streams[0]) and run.status().streams[streams[0]].pts > 8, 60)
        assert run.status().epochs == ()
        with neighbours(4 * cores):
            since = run.status().at
            until(lambda: run.status().epochs)
            first = run.status().epochs[0]
            until(lambda: run.status().at > first.at + 10, 20)
            before = run.status()
        until(lambda: len(run.status().epochs) > len(before.epochs), 20)
        back = run.status().epochs[len(before.epochs)]
        run.stop()
    assert first.at - since <= 2.0
    assert "live streams lose pictures" in first.reason
    assert "more is there for the run again" in back.reason
    steps_s = [epoch.changes["move"]["refresh_s"] for epoch in (first, back)]
    assert steps_s[0] > steps_s[1]
