"""`vidpipe compress`: what was chosen is written with what it was made from, and nothing where nothing holds."""

import pytest
import yaml

from tests import clips
from tests.models.headed import headed_network
from vidpipe.cli.commands.compress import CompressArguments, run_compress
from vidpipe.core.errors import ConfigError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.runtimes import nncf
from vidpipe.tuning import compress

PIPELINE = """
classes: {first: a, third: c}
models:
  big: {path: net.xml}
stages:
  - {id: big, type: detect, model: big}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, a pipeline that has it, and a recording; variants without classes that nobody asks for cost half."""
    headed_network(tmp_path / "net.xml", 4, likely=(0, 2))
    (tmp_path / "net.yaml").write_text("names: [a, b, c, d]\n")
    (tmp_path / "own.yaml").write_text(PIPELINE)
    clips.encode(tmp_path / "clip.mp4", frames=60)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nncf, "is_installed", lambda: False)
    monkeypatch.setattr(compress, "memory_mb", lambda *_: 1.0)
    monkeypatch.setattr(compress, "look_ms", lambda found, *_: {says: 5 if "classes" in says else 10 for says in found})
    return tmp_path


def run(folder, pipeline="own.yaml", clip="clip.mp4", out="small.xml"):
    model = "big" if pipeline else "net.xml"
    return run_compress(
        CompressArguments(model, folder / clip, pipeline, 0.98, None, bf16=False, mixed=False, out=folder / out)
    )


def test_the_chosen_model_is_written_and_a_pipeline_names_it_like_any_other(folder, capsys):
    assert run(folder) == 0
    said = capsys.readouterr().out
    assert "chosen: its classes, f32: 2.00 times less CPU a look" in said
    told = yaml.safe_load((folder / "small.yaml").read_text())
    assert told["names"] == ["a", "c"]
    assert told["made_from"]["model"].endswith("net.xml")
    assert told["made_from"]["on"] == "clip.mp4"
    assert told["made_from"]["floor"] == 0.98
    assert told["made_from"]["f1"] >= 0.98
    classes = Classes({"first": ["a"], "third": ["c"]})
    (boxes,) = load_detector(ModelSpec(path="small.xml"), classes).detect([clips.scene(1)[..., None].repeat(3, 2)])
    assert len(boxes) > 10


def test_where_nothing_holds_nothing_is_written(folder, capsys):
    assert run(folder, pipeline=None) == 2
    assert "refused: nothing that is cheaper than the model as it is holds an F1 of 0.98" in capsys.readouterr().out
    assert not list(folder.glob("small*"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"clip": "none.mp4"}, "--on none.mp4: no such recording"),
        ({"out": "small.onnx"}, "a smaller model is written for OpenVINO: name an .xml"),
        ({"out": "net.xml"}, "is there already: name another file"),
        ({"out": "nowhere/small.xml"}, "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(folder, monkeypatch, change, why):
    monkeypatch.setattr("vidpipe.cli.commands.compress.compress", lambda *_: pytest.fail("it has begun"))
    with pytest.raises(ConfigError, match=why):
        run(folder, **change)
