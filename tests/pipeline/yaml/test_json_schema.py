"""The schemas for editors: as today's types are, true of all files that there are, and false of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from vidpipe.pipeline.yaml.json_schema import FILES, schema
from vidpipe.pipeline.yaml.read import read
from vidpipe.pipeline.yaml.spec import PipelineFile

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path for folder in ("pipelines", "configs", "samples") for path in (ROOT / folder).rglob("*.yaml"))


def validator(name):
    return jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / name).read_text()))


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_the_files_are_those_of_today(name):
    told = json.loads((ROOT / "docs" / name).read_text())
    assert told == json.loads(json.dumps(schema(FILES[name]))), "run: python -m vidpipe.pipeline.yaml.json_schema docs"
    jsonschema.Draft202012Validator.check_schema(told)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_comes_with_vidpipe_is_valid(path, monkeypatch):
    monkeypatch.setenv("CLOUD_FINGERPRINT", "ab:" * 31 + "ab")
    data = read(path, path.name).data
    if not {"stages", "streams", "links", "rules"} & data.keys():
        pytest.skip("no file of ours")
    validator("pipeline.schema.json" if "stages" in data else "config.schema.json").validate(data)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"stagse": []}, []),
        ({"stages": [{"id": "a", "type": "detect", "model": "big", "acept": 0.4}]}, ["stages", 0]),
        ({"stages": [{"id": "a", "type": "detect"}]}, ["stages", 0]),
        ({"stages": [{"id": "a", "type": "difference", "on": "egde"}]}, ["stages", 0, "on"]),
        ({"streams": {"gate": {"url": "a.mp4", "flor": 0.9}}}, ["streams", "gate"]),
        ({"sinks": [{"type": "mjpeg", "port": 0}]}, ["sinks", 0, "port"]),
        ({"links": {"device-edge": {"codec": "png"}}}, ["links", "device-edge", "codec"]),
    ],
)
def test_a_mistake_is_found_at_its_place(change, at):
    sound = {"stages": [{"id": "a", "type": "detect", "model": "big"}], "models": {"big": {"path": "x.onnx"}}}
    validator("pipeline.schema.json").validate(sound)
    found = list(validator("pipeline.schema.json").iter_errors(sound | change))
    assert at in [list(error.absolute_path) for error in found]


def test_what_is_kept_elsewhere_is_no_mistake():
    for reference in ("${env:CLOUD_FINGERPRINT}", "${file:/run/secrets/cloud}"):
        validator("config.schema.json").validate({"links": {"edge-cloud": {"fingerprint": reference}}})


def test_a_part_of_a_users_own_may_have_any_field():
    own = {
        "stages": [{"id": "a", "type": "mystages:Read", "anything": 1}],
        "sinks": [{"type": "horn:Horn", "loud": True}],
    }
    validator("pipeline.schema.json").validate(own)
    assert PipelineFile.model_validate(own)
