"""The meter agrees with the process's own clock, whichever threads did the work."""

import multiprocessing
import sys
import threading
import time

import numpy as np
import pytest

from tests.models.networks import busy_network
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.library import Library

PICTURE = np.zeros((128, 128, 3), np.uint8)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other threads' CPU clocks are read as Linux has them")


def library_in(folder):
    """Two models on OpenVINO, which share its threads, and one on ONNX Runtime."""
    file = str(busy_network(folder / "busy.onnx"))
    specs = {
        name: ModelSpec(path=file, family="embedder", runtime=runtime)
        for name, runtime in (("first", "openvino"), ("second", "openvino"), ("third", "onnxruntime"))
    }
    return Library(specs, Classes({}), threads=2)


@pytest.fixture
def library(tmp_path):
    return library_in(tmp_path)


def by_itself(check, folder):
    """Run a check in a new Python: threads that came up before a model was loaded are on nobody's bill."""
    process = multiprocessing.get_context("spawn").Process(target=check, args=(folder,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def cpu_of(library):
    return {name: cpu_ns for name, (_, _, cpu_ns) in library.meters().items()}


def test_each_model_is_billed_what_it_used(tmp_path):
    by_itself(each_is_billed, tmp_path)


def each_is_billed(folder):
    library = library_in(folder)
    for name in ("first", "second", "third"):
        library.embedder(name)
    for name in ("first", "second", "third", "first"):
        embedder, before, process = library.embedder(name), cpu_of(library), time.process_time_ns()
        embedder.embed([PICTURE] * 15)
        process = time.process_time_ns() - process
        billed = {other: cpu_of(library)[other] - before[other] for other in before}

        assert billed[name] == pytest.approx(process, rel=0.1)
        # What the threads did after the call before this one: they spin for about a millisecond.
        assert sum(billed.values()) - billed[name] < 20e6


def test_models_that_run_at_once_share_the_bill(tmp_path):
    by_itself(bill_is_shared, tmp_path)


def bill_is_shared(folder):
    library = library_in(folder)

    def work(name):
        library.embedder(name).embed([PICTURE] * 15)

    for name in ("first", "second"):
        work(name)
    before, process = cpu_of(library), time.process_time_ns()
    threads = [threading.Thread(target=work, args=(name,)) for name in ("first", "second", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process = time.process_time_ns() - process

    billed = sum(cpu_of(library).values()) - sum(before.values())
    assert billed == pytest.approx(process, rel=0.2)  # loading the twins is on nobody's bill


def test_calls_are_pictures(library):
    embedder = library.embedder("first")
    embedder.embed([PICTURE] * 3)
    embedder.embed([PICTURE])
    assert embedder.meter.snapshot() == library.meters()["first"]
    calls, wall_ns, cpu_ns = library.meters()["first"]
    assert calls == 4
    assert wall_ns > 0
    assert cpu_ns > 0


def test_a_call_that_fails_is_billed_too(library):
    embedder = library.embedder("first")
    with pytest.raises(AttributeError):
        embedder.embed([None])
    embedder.embed([PICTURE])
    assert library.meters()["first"][0] == 2
