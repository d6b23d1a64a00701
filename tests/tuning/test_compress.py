"""A model made smaller on a clip: what is chosen holds the floor, what cannot be is refused with the reason."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from tests.models.headed import headed_network
from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.progress import Silent
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.precisions import memory_mb
from vidpipe.models.runtimes import nncf
from vidpipe.models.shrink import shrink
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning import compress as module
from vidpipe.tuning.compress import Compressed, CompressOptions, Row, choose, compress
from vidpipe.tuning.floor.precisions import CHEAPER

NAMES = ["a", "b", "c", "d"]
CLASSES = Classes({"first": ["a"], "third": ["c"]})
OWN = Row("as it is", ModelSpec(path="own.xml"), True, 1.0, 1.0, 10.0, 4.0, 40.0)


def row(cpu_ms, chosen_f1=1.0, f1=1.0, memory_mb=40.0):
    return Row("other", ModelSpec(path="other.xml"), False, chosen_f1, f1, cpu_ms, 4.0, memory_mb)


share = st.floats(0.5, 1.0)


@given(figures=st.lists(st.tuples(st.floats(0.1, 20.0), share, share), max_size=6), floor=share)
def test_the_cheapest_that_holds_is_chosen_and_only_one_that_goes_on_holding(figures, floor):
    rows = sorted([OWN, *(row(*each) for each in figures)], key=lambda each: each.cpu_ms)
    chosen, refused = choose(rows, OWN, floor)
    holds = [
        each for each in rows if not each.is_own and each.cpu_ms <= CHEAPER * OWN.cpu_ms and each.chosen_f1 >= floor
    ]
    if chosen is None:
        assert refused
        assert not holds or holds[0].f1 < floor
    else:
        assert not refused
        assert chosen.f1 >= floor
        assert chosen.cpu_ms == min(each.cpu_ms for each in holds)


@given(figures=st.lists(st.tuples(st.floats(0.1, 20.0), st.just(1.0), share, st.floats(1, 99)), min_size=1, max_size=6))
def test_the_frontier_is_never_empty_and_nothing_on_it_is_beaten(figures):
    rows = [row(*each) for each in figures]
    made = Compressed(rows, OWN, None, "", ())
    best = [each for each in rows if made.is_best(each)]
    assert best
    for one in best:
        assert not any(
            each.cpu_ms < one.cpu_ms and each.memory_mb < one.memory_mb and each.f1 > one.f1 for each in rows
        )


@pytest.fixture
def clip(tmp_path):
    return StreamSpec(url=str(clips.encode(tmp_path / "clip.mp4", frames=60)))


@pytest.fixture
def model(tmp_path):
    return ModelSpec(path=str(headed_network(tmp_path / "net.xml", 4, likely=(0, 2))), names=NAMES)


@pytest.fixture
def cheap(monkeypatch):
    """Costs by name: networks this small differ by less than the noise."""
    monkeypatch.setattr(module, "memory_mb", lambda *_: 1.0)
    monkeypatch.setattr(module, "look_ms", lambda found, *_: {says: 5 if "classes" in says else 10 for says in found})
    monkeypatch.setattr(nncf, "is_installed", lambda: False)


def made(model, clip, folder, floor=0.98, classes=CLASSES):
    folder.mkdir()
    return compress(model, clip, CompressOptions(floor, classes, bf16=False), folder, Silent())


def test_heads_are_cut_and_the_file_answers_as_the_model_did(tmp_path, model, clip, cheap):
    found = made(model, clip, tmp_path / "made")
    assert found.chosen is not None
    assert "its classes" in found.chosen.says
    assert found.chosen.f1 > 0.98
    assert yaml.safe_load((tmp_path / "made" / "classes.yaml").read_text())["names"] == ["a", "c"]
    picture = clips.scene(3)[..., None].repeat(3, axis=2)
    (one,), (other,) = (load_detector(each, CLASSES).detect([picture]) for each in (model, found.chosen.spec))
    assert len(one) > 10
    assert one.data["class_name"].tolist() == other.data["class_name"].tolist()
    assert any("it takes NNCF: `pip install 'vidpipe[compress]'`" in line for line in found.left_out)


def test_without_classes_nothing_is_cut_and_nothing_chosen(tmp_path, model, clip, cheap):
    found = made(model, clip, tmp_path / "made", classes=Classes({}))
    assert found.chosen is None
    assert "nothing that is cheaper than the model as it is holds an F1 of 0.98: none is cheaper" in found.refused


@pytest.mark.parametrize(
    ("model", "frames", "error", "why"),
    [
        ("net.xml", 3, ConfigError, "24 frames are needed, to calibrate, choose and score on 8 each; it has 3"),
        ("none.onnx", 60, ConfigError, "the model finds 0 boxes in 20 pictures of its first part: 50 are needed"),
        ("text.onnx", 60, ModelError, "OpenVINO cannot read it"),
        ("any.onnx", 60, ModelError, "takes any size: say which by `size`"),
        ("mine.txt", 60, ModelError, "no runtime reads .txt"),
        ("json:JSONEncoder", 60, ModelError, "a Python class computes as it likes: it cannot be made smaller"),
    ],
)
def test_what_is_nothing_to_work_with_is_told(tmp_path, monkeypatch, cheap, model, frames, error, why):
    monkeypatch.chdir(tmp_path)
    headed_network(tmp_path / "net.xml", 4, likely=(0, 2))
    constant_network(tmp_path / "none.onnx", {"out": yolo_columns([], 4)})
    constant_network(tmp_path / "any.onnx", {"out": yolo_columns([], 4)}, size=("h", "w"))
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "mine.txt").write_text("no network")
    names = None if ":" in model else NAMES
    clip = StreamSpec(url=str(clips.encode(tmp_path / "clip.mp4", frames=frames)))
    with pytest.raises(error, match=why.replace("(", r"\(")):
        made(ModelSpec(path=model, names=names), clip, tmp_path / "made")


def test_a_camera_is_refused_and_its_password_not_told(tmp_path, model):
    with pytest.raises(ConfigError, match="on a recording, not on a camera") as told:
        made(model, StreamSpec(url="rtsp://me:secret@cam/1"), tmp_path / "made")
    assert "secret" not in str(told.value)


@pytest.mark.long
def test_a_model_takes_memory_and_a_larger_one_more(tmp_path):
    little, large = (headed_network(tmp_path / f"{side}.xml", 4, side=side) for side in (64, 1024))
    took = [memory_mb(ModelSpec(path=str(file), names=NAMES), Classes({})) for file in (little, large)]
    assert 0 < took[0] < took[1]


@pytest.mark.long
def test_layers_go_back_to_float_until_the_floor_holds(tmp_path, model, clip, monkeypatch):
    """Whole int8 is made out to lose all: then what is made with a limit is tried, on pictures of the first part."""
    pytest.importorskip("nncf")
    monkeypatch.setattr(module, "memory_mb", lambda *_: 1.0)
    limits = []
    quantise = module.in_int8

    def in_int8(spec, target, pictures, limit=None):
        limits.append(limit)
        if limit is None:
            blind = constant_network(tmp_path / "blind.onnx", {"out": yolo_columns([], 4)})
            return shrink(ModelSpec(path=str(blind), names=NAMES), target)
        return quantise(spec, target, pictures, limit)

    monkeypatch.setattr(module, "in_int8", in_int8)
    found = made(model, clip, tmp_path / "made")
    assert [limit is None for limit in limits] == [True, False]
    mixed = next(each for each in found.rows if "but for some layers" in each.says)
    assert mixed.chosen_f1 >= 0.98
