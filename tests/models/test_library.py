"""The library loads on first use, and gives each thread an instance of its own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.models.networks import constant_network, mean_network, yolo_columns
from vidpipe.cascade.stage import Models
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.library import Library, threads_of_a_look

PICTURE = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture
def library(tmp_path):
    constant_network(tmp_path / "net.onnx", {"out": yolo_columns([(32, 32, 16, 16, 0, 0.9)], 1)})
    mean_network(tmp_path / "mean.onnx")
    specs = {
        "little": ModelSpec(path="net.onnx", names=["car"]),
        "sliced": ModelSpec(path="net.onnx", names=["car"], slicing=Slicing()),
        "on_onnxruntime": ModelSpec(path="net.onnx", names=["car"], runtime="onnxruntime"),
        "embedder": ModelSpec(path="mean.onnx", family="embedder"),
        "missing": ModelSpec(path="gone.onnx"),
    }
    return Library(specs, Classes({"vehicle": ["car"]}), [tmp_path], threads=1)


def test_it_is_what_stages_ask_for(library):
    models: Models = library
    assert models.detector("little") is models.detector("little")
    assert models.embedder("embedder") is models.embedder("embedder")


def test_loaded_when_asked_for(library):
    """A model that no stage of this actor uses may be missing on its machine."""
    assert library.meters() == {}
    library.detector("little").detect([PICTURE, PICTURE])
    assert {name: calls for name, (calls, _, _) in library.meters().items()} == {"little": 2}
    with pytest.raises(ModelError, match=r"model gone.onnx: no such file"):
        library.detector("missing")
    assert "missing" not in library.meters()


@pytest.mark.parametrize("name", ["litle", "bigger"])
def test_a_model_that_the_pipeline_has_not(library, name):
    with pytest.raises(ModelError, match=rf"model {name}: the pipeline has no such model; nearest: .*little"):
        library.detector(name)
    with pytest.raises(ModelError, match=rf"model {name}: the pipeline has no such model"):
        library.embedder(name)


@pytest.mark.parametrize("name", ["little", "sliced", "on_onnxruntime"])
def test_threads_have_their_own_and_agree(library, name):
    ours = library.detector(name)
    expected = ours.detect([PICTURE])[0]

    def work(_):
        detector = library.detector(name)
        return detector, [detector.detect([PICTURE])[0] for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(8)))

    assert all(theirs is not ours for theirs, _ in results)
    for _, answers in results:
        for answer in answers:
            np.testing.assert_array_equal(answer.xyxy, expected.xyxy)
            assert set(answer.data["class_name"]) == {"vehicle"}
    assert library.meters()[name][0] == 1 + 8 * 20


def test_a_variant_is_loaded_and_metered_by_itself(library):
    """At another size, or in another precision; the model of the pipeline stays as it is."""
    own, exact, plain = library.detector("little"), library.detector("little", None, "f32"), library.detector("little")
    assert own is plain
    assert exact is not own
    assert exact is library.detector("little", None, "f32", "a folder that only int8 looks into")
    assert (own.spec.precision, exact.spec.precision) == ("auto", "f32")
    exact.detect([PICTURE])
    library.detector("little", (64, 64), "f32").detect([PICTURE, PICTURE])
    assert {name: calls for name, (calls, _, _) in library.meters().items()} == {
        "little": 0,
        "little@f32": 1,
        "little@64x64@f32": 2,
    }
    with pytest.raises(ModelError, match="precision int8 takes a network that was calibrated"):
        library.detector("little", None, "int8")


@pytest.mark.parametrize(("streams", "cores", "threads"), [(0, 4, 4), (1, 4, 4), (2, 4, 2), (3, 4, 1), (9, 4, 1)])
def test_streams_share_the_cores_before_a_look_takes_several(streams, cores, threads):
    assert threads_of_a_look(streams, cores) == threads
