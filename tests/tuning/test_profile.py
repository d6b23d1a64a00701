"""Profiles: versions that can be gone back to, set on the streams that they are of, left out where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.models.networks import constant_network, ssd_table
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.stages.difference.scene import Scene
from vidpipe.tuning import profile
from vidpipe.tuning.paths import folder_of
from vidpipe.tuning.profile import add, apply, model_digest, read, use

CASCADE = """
classes: {{vehicle: vehicle}}
models: {{big: {{path: big.onnx, family: ssd, names: [vehicle], threshold: 0.3}}}}
stages:{stages}
  - {{id: find, type: detect, on: edge, model: big}}
streams: {{door: {{url: door.mp4}}, gate: {{url: gate.mp4}}}}
"""


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline with two streams, by what stands before its last stage."""
    constant_network(tmp_path / "big.onnx", {"out": ssd_table([(20, 20, 16, 16, 0, 0.9)])})

    def make(*stages):
        file = tmp_path / "pipeline.yaml"
        file.write_text(CASCADE.format(stages="".join(f"\n  - {stage}" for stage in stages)))
        return load(file)

    return make


@pytest.fixture
def profiles(tmp_path):
    return tmp_path / "profiles"


def scene(path):
    Scene((160, 120), np.full((120, 160), 90, np.float32), *[np.ones((10, 10), np.float32)] * 2).save(path)


def made(pipeline, **other):
    settings = {"sample": {"fps": 5.0}, "difference": {"scene": "scene.npz"}}
    return {
        "reason": "specialized",
        "size": (160, 120),
        "classes": list(pipeline.classes.names),
        "model": model_digest(pipeline),
        "settings": settings,
        "says": "only every other frame",
        "evidence": {"frames": 10},
    } | other


def test_filters_are_put_in_for_the_streams_that_have_a_profile(pipeline, profiles):
    bare = pipeline()
    _, folder = add(profiles, "door", made(bare), {"scene.npz": scene})
    applied = apply(bare, profiles, look=False)
    assert [(stage.id, stage.tier) for stage in applied.pipeline.stages] == [
        ("sample", Tier.DEVICE),
        ("difference", Tier.DEVICE),
        ("find", Tier.EDGE),
    ]
    door, gate = (applied.pipeline.streams[name].configs for name in ("door", "gate"))
    assert door["sample"].fps == 5.0
    assert door["difference"].scene == str(folder / "scene.npz")
    assert gate == {}
    assert not applied.pipeline.stages[1].config.enabled, "off for the others"
    (line,) = applied.lines
    assert line.startswith("profile of stream door: version 1 of ")
    assert line.endswith(": only every other frame")


def test_a_gate_that_is_put_in_is_off_for_the_other_streams(pipeline, profiles):
    """It warned of each of them that it has no weights."""
    bare = pipeline()
    add(profiles, "door", made(bare, settings={"gate": {"weights": "gate.gate"}}), {"gate.gate": Path.touch})
    applied = apply(bare, profiles, look=False).pipeline
    assert [(stage.id, stage.config.enabled) for stage in applied.stages[:-1]] == [("gate", False)]
    assert applied.streams["door"].configs["gate"].enabled
    assert applied.streams["gate"].configs == {}


def test_a_filter_that_the_pipeline_has_is_set_where_it_stands(pipeline, profiles):
    own = pipeline("{id: still, type: difference, threshold: 9}")
    add(profiles, "door", made(own, settings={"difference": {"scene": "scene.npz"}}), {"scene.npz": scene})
    applied = apply(own, profiles, look=False).pipeline
    assert [stage.id for stage in applied.stages] == ["still", "find"]
    assert applied.streams["door"].configs["still"].scene
    assert applied.stages[0].config.threshold == 9


def test_without_profiles_nothing_changes(pipeline, profiles):
    bare = pipeline()
    assert apply(bare, profiles, look=False).pipeline == bare


def test_no_filter_is_put_in_where_none_pays(pipeline, profiles):
    bare = pipeline()
    add(profiles, "door", made(bare, settings={}, says="no filter pays"), {})
    applied = apply(bare, profiles, look=False)
    assert [stage.id for stage in applied.pipeline.stages] == ["find"]
    assert applied.lines[0].endswith("no filter pays")


def test_versions_are_kept_and_gone_back_to(pipeline, profiles):
    bare = pipeline()
    add(profiles, "door", made(bare, settings={"sample": {"fps": 5.0}}), {})
    add(profiles, "door", made(bare, settings={"sample": {"fps": 2.0}}), {})

    def fps():
        return [
            stream.configs["sample"].fps
            for stream in apply(bare, profiles, look=False).pipeline.streams.values()
            if "sample" in stream.configs
        ]

    assert fps() == [2.0]
    use(profiles, "door", 1)
    assert fps() == [5.0]
    use(profiles, "door", 0)
    assert fps() == []
    assert [version.version for version in read(profiles, "door").versions] == [1, 2]
    with pytest.raises(ConfigError, match="has no version 3; there is 1, 2, and 0 for none"):
        use(profiles, "door", 3)
    with pytest.raises(ConfigError, match="stream yard has no profile"):
        use(profiles, "yard", 1)


def test_what_an_earlier_version_was_is_never_overwritten(pipeline, profiles):
    bare = pipeline()
    _, first = add(profiles, "door", made(bare), {"scene.npz": scene})
    use(profiles, "door", 0)
    _, second = add(profiles, "door", made(bare), {"scene.npz": scene})
    assert (first.name, second.name) == ("v1", "v2")
    assert (first / "scene.npz").is_file()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"classes": ["person"]}, "is for classes person"),
        ({"model": "0" * 32}, "was learnt from another model than the last stage's"),
        ({"settings": {"telepathy": {}}}, "sets a filter 'telepathy', which this vidpipe does not know"),
        ({"settings": {"difference": {"scene": "gone.npz"}}}, "gone.npz is missing"),
    ],
)
def test_a_profile_for_something_else_is_left_out_and_told(pipeline, profiles, other, message):
    bare = pipeline()
    add(profiles, "door", made(bare, **other), {"scene.npz": scene})
    applied = apply(bare, profiles, look=False)
    assert applied.pipeline == bare
    (line,) = applied.lines
    assert message in line
    assert line.endswith("specialize again; stream door runs without it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged (line 1)"),
        ('{"format": 1, "stream": "door", "current": "x", "versions": []}', "is damaged: current: "),
        ('{"format": 7}', "is of format 7, this vidpipe reads 1"),
        ("[]", "is of format None"),
    ],
)
def test_a_damaged_profile_is_left_out_and_told(pipeline, profiles, text, message):
    bare = pipeline()
    folder = folder_of(profiles, "door")
    folder.mkdir(parents=True)
    (folder / "profile.json").write_text(text)
    applied = apply(bare, profiles, look=False)
    assert applied.pipeline == bare
    assert message in applied.lines[0]


@pytest.mark.parametrize("url", ["door.mp4", "rtsp://camera/door"])
def test_a_damaged_scene_is_left_out_and_told(pipeline, profiles, url, tmp_path):
    """Of a camera as well, whose first picture comes when the run has long begun."""
    bare = pipeline()
    file = tmp_path / "pipeline.yaml"
    file.write_text(file.read_text().replace("door.mp4", url))
    bare = load(file)
    _, folder = add(profiles, "door", made(bare), {"scene.npz": scene})
    data = (folder / "scene.npz").read_bytes()
    (folder / "scene.npz").write_bytes(data[:60] + bytes(40) + data[100:])
    applied = apply(bare, profiles, look=True)
    assert applied.pipeline == bare
    (line,) = applied.lines
    assert "scene.npz: damaged or cannot be read (" in line
    assert line.endswith(": specialize again; stream door runs without it")


def test_the_threshold_of_the_model_belongs_to_the_model(pipeline, tmp_path):
    """Labels were made with it: another one finds other things."""
    known = model_digest(pipeline())
    file = tmp_path / "pipeline.yaml"
    file.write_text(file.read_text().replace("threshold: 0.3", "threshold: 0.6"))
    assert model_digest(load(file)) != known


@pytest.mark.parametrize("beside", ["big.onnx.data", "big.onnx_data", "big.data"])
def test_weights_beside_the_model_belong_to_it(pipeline, tmp_path, beside):
    """A large ONNX model is a small graph; retrained, it differs in that file alone."""
    bare = pipeline()
    digests = {model_digest(bare)}
    for weights in (b"first", b"other"):
        (tmp_path / beside).write_bytes(weights)
        digests.add(model_digest(bare))
    assert len(digests) == 3


def test_the_model_is_read_once_for_all_streams(pipeline, profiles, monkeypatch):
    bare = pipeline()
    for stream in ("door", "gate"):
        add(profiles, stream, made(bare, settings={"sample": {"fps": 5.0}}), {})
    asked = []
    monkeypatch.setattr(profile, "model_digest", lambda pipeline: asked.append(pipeline) or model_digest(pipeline))
    assert len(apply(bare, profiles, look=False).lines) == 2
    assert len(asked) == 1


def test_names_that_share_a_folder_name_are_told_apart(profiles):
    names = ["door", "door 1", "door/1", "door-1"]
    assert len({folder_of(profiles, name) for name in names}) == len(names)
    assert all(folder_of(profiles, name).parent == profiles for name in names)


def test_a_profile_is_plain_json_and_private(pipeline, profiles):
    bare = pipeline()
    add(profiles, "door", made(bare), {"scene.npz": scene})
    folder = folder_of(profiles, "door")
    assert json.loads((folder / "profile.json").read_text())["versions"][0]["evidence"] == {"frames": 10}
    assert folder.stat().st_mode & 0o077 == 0
