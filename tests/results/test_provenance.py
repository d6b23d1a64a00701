"""What a file of results says of where its answers come from holds no credential."""

from __future__ import annotations

import json

from vidpipe.pipeline.yaml.load import load
from vidpipe.results.provenance import Provenance

PIPELINE = """
classes: {person: person}
models: {big: {path: "omz:person-vehicle-bike-detection-2003"}}
stages: [{id: big, type: detect, model: big}]
streams:
  gate: {url: "rtsp://me:hunter2@10.0.0.9/x", record_url: "rtsp://me:hunter2@10.0.0.9/hd?key=hunter2"}
"""


def test_of_a_camera_and_what_is_recorded_of_it_only_the_machine_is_named(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    pipeline = load(tmp_path / "pipeline.yaml")
    told = Provenance(pipeline).told(pipeline, {})
    assert "hunter2" not in json.dumps(told)
    assert told["streams"]["gate"]["source"] == "rtsp://10.0.0.9"
