"""Models that are plain Python classes: what they find in the pipeline's terms, and what is said of wrong ones."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from vidpipe.core import extensions
from vidpipe.core.errors import ModelError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.library import Library
from vidpipe.models.load import examine, fetch, load_detector, load_embedder
from vidpipe.models.own import ENTRY_POINTS
from vidpipe.models.resolve import resolve

MODULE = """
import numpy as np
import supervision as sv

def boxes(rows, **given):
    return sv.Detections(xyxy=np.array(rows, float).reshape(-1, 4), **given)

class Three:
    names = ["person", "car", "dog"]
    def __init__(self, score=0.5):
        self.score = score
    def detect(self, images):
        rows = [[-5, 1, 20, 30], [10, 10, 20, 2000], [3, 3, 3, 9]]
        return [boxes(rows, confidence=np.array([self.score, 0.9, 0.8]), class_id=np.array([0, 1, 0])) for _ in images]

class Named:
    names = ["person", "car"]
    def detect(self, images):
        found = {"class_name": np.array(["car", "cat"])}
        return [boxes([[0, 0, 9, 9]] * 2, confidence=np.array([0.5, 0.9]), data=found) for _ in images]

class Nothing:
    names = ["person"]
    def detect(self, images):
        return [sv.Detections.empty() for _ in images]

class Vectors:
    def embed(self, images):
        return [[image.mean() + 3, 4] for image in images]

class NoNames(Nothing):
    names = []

class NoList(Nothing):
    def detect(self, images):
        return None

class TooFew(Nothing):
    def detect(self, images):
        return []

class NoDetections(Nothing):
    def detect(self, images):
        return [[] for _ in images]

class NoScores(Nothing):
    def detect(self, images):
        return [boxes([[0, 0, 9, 9]], class_id=np.array([0])) for _ in images]

class NoClasses(Nothing):
    def detect(self, images):
        return [boxes([[0, 0, 9, 9]], confidence=np.array([0.5])) for _ in images]

class Raises(Nothing):
    def detect(self, images):
        raise RuntimeError("out of memory\\nhere")

class Unmade(Nothing):
    def __init__(self):
        raise OSError("no licence")

class Flat:
    def embed(self, images):
        return np.zeros(len(images))
"""
CLASSES = Classes({"human": ["person"], "vehicle": ["car"]})
PICTURE = np.zeros((100, 200, 3), np.uint8)


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """A module beside the pipeline, under a name that no other test imports; and the folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"own_models_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name, [tmp_path]


def detector(module, name, **spec):
    return load_detector(ModelSpec(path=f"{module[0]}:{name}", **spec), CLASSES, search_paths=module[1])


def test_boxes_come_in_the_pipelines_terms(module):
    """Best first, inside the picture, with area, of the pipeline's classes."""
    (found,) = detector(module, "Three").detect([PICTURE])
    assert found.data["class_name"].tolist() == ["vehicle", "human"]
    assert found.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(found.xyxy, [(10, 10, 20, 100), (0, 1, 20, 30)])


def test_settings_threshold_and_floor(module):
    low = detector(module, "Three", settings={"score": 0.2}, threshold=0.4)
    assert low.detect([PICTURE])[0].data["class_name"].tolist() == ["vehicle"]
    assert len(low.detect([PICTURE], 0.1)[0]) == 2
    assert len(low.keep_sure(low.detect([PICTURE], 0.1)[0])) == 1
    np.testing.assert_allclose(low.margins(low.detect([PICTURE], 0.1)[0]), [0.5, 0.2], atol=1e-6)


def test_classes_by_name(module):
    assert detector(module, "Named").detect([PICTURE])[0].data["class_name"].tolist() == ["vehicle"]


def test_nothing_and_slices(module):
    found, again = detector(module, "Nothing", slicing=Slicing()).detect([PICTURE, PICTURE])
    assert len(found) == len(again) == 0
    assert found.data["class_name"].tolist() == []


def test_an_embedder(module):
    embedder = load_embedder(ModelSpec(path=f"{module[0]}:Vectors"), search_paths=module[1])
    np.testing.assert_allclose(embedder.embed([PICTURE, PICTURE]), [(0.6, 0.8)] * 2, rtol=1e-6)
    assert embedder.embed([]).shape == (0, 2)
    assert embedder.clone().embed([PICTURE]).shape == (1, 2)


def test_a_library_meters_it(module):
    specs = {"mine": ModelSpec(path=f"{module[0]}:Three")}
    library = Library(specs, CLASSES, module[1])
    library.detector("mine").detect([PICTURE] * 3)
    assert library.meters()["mine"][0] == 3


def test_it_is_known_without_being_imported(module):
    resolved = resolve(ModelSpec(path=f"{module[0]}:Three"), module[1])
    assert (resolved.origin, resolved.file, resolved.names) == ("python", None, None)
    assert module[0] not in sys.modules
    assert fetch(ModelSpec(path=f"{module[0]}:Three"), module[1]) == module[1][0] / f"{module[0]}.py"


def test_an_installed_package_may_bring_models(module, monkeypatch):
    entry = EntryPoint("lamps", f"{module[0]}:Three", ENTRY_POINTS)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [entry] if group == ENTRY_POINTS else [])
    assert len(load_detector(ModelSpec(path="lamps"), CLASSES, search_paths=module[1]).detect([PICTURE])[0]) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoNames", "say what it finds: `names`, of the class or in the pipeline"),
        ("NoList", "detect must give a list with one sv.Detections for each picture"),
        ("TooFew", "detect must give a list with one sv.Detections for each picture"),
        ("NoDetections", "detect gave a list, not an sv.Detections"),
        ("NoScores", "its boxes have no confidence"),
        ("NoClasses", r'its boxes have neither class_id nor data\["class_name"\]'),
        ("Raises", "fails on a blank picture: RuntimeError: out of memory$"),
        ("Unmade", "cannot be made: OSError: no licence"),
        ("Vectors", r"has no method `detect\(images\)`"),
        ("Thre", "has no model 'Thre'; did you mean 'Three'"),
    ],
)
def test_a_class_that_is_no_detector(module, name, said):
    with pytest.raises(ModelError, match=said):
        detector(module, name)
    with pytest.raises(ModelError, match=said):
        examine(ModelSpec(path=f"{module[0]}:{name}"), CLASSES, ["detector"], search_paths=module[1])


@pytest.mark.parametrize(
    ("name", "said"), [("Flat", r"embed must give an array \[n, d\]"), ("Three", r"has no method `embed\(images\)`")]
)
def test_a_class_that_is_no_embedder(module, name, said):
    with pytest.raises(ModelError, match=said):
        load_embedder(ModelSpec(path=f"{module[0]}:{name}"), search_paths=module[1])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"settings": {"size": 3}}, "cannot be made: TypeError"),
        ({"runtime": "torch"}, "runs itself: leave `runtime` out"),
    ],
)
def test_settings_that_a_class_does_not_take(module, spec, said):
    with pytest.raises(ModelError, match=said):
        detector(module, "Three", **spec)


def test_settings_are_for_classes():
    with pytest.raises(ModelError, match="`settings` are for a Python class"):
        resolve(ModelSpec(path="yolo11n", settings={"a": 1}))


def test_a_module_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be imported: ModuleNotFoundError: No module named 'nosuch_module'"):
        load_detector(ModelSpec(path="nosuch_module:Thing"), CLASSES, search_paths=[tmp_path])
