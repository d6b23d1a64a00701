"""Little models, parts and the big model together, on real frames."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.run import run

MODELS = """
classes: {person: person, vehicle: vehicle, bike: bike}
models:
  little: {path: MODELS/person-vehicle-bike-detection-2000.xml}
  middle: {path: MODELS/person-vehicle-bike-detection-2001.xml}
  part: {path: MODELS/person-vehicle-bike-detection-2003.xml, size: [240, 432]}
  big: {path: MODELS/person-vehicle-bike-detection-2003.xml}
stages:
"""
BIG = "  - {id: big, type: detect, model: big}\naudit: {rate: 0.1}\n"
PARTS = """
  - {id: middle, type: detect, model: middle, accept: 0.5, reject: 0.3}
  - {id: part, type: regions, model: part}
"""
LEARNT = "  - {id: middle, type: detect, model: middle, agreement: 0.5, budget: 0.6}\n"
SELECT = "  - {id: pick, type: select, models: [little, middle], agreement: 0.5}\n"


class Kept(Sink):
    def __init__(self):
        self.records = []

    def write(self, results, published_at):
        self.records += results

    def close(self):
        pass


@pytest.mark.long
@pytest.mark.footage
@pytest.mark.parametrize("stages", [PARTS, LEARNT, SELECT], ids=["parts", "learnt", "select"])
def test_they_share_the_frames_of_a_stream(tmp_path, assets, stages):
    """Every answer says of which frame it is, and boxes lie in the picture; audits reach the cheap stages."""
    file = tmp_path / "pipeline.yaml"
    file.write_text((MODELS + stages + BIG).replace("MODELS", str(assets / "models")))
    kept = Kept()
    video = str(assets / "videos" / "vtest.avi")
    outcome = run(load(file, sources={"cam": video}, sets=["streams.cam.end_s=5"]), engine="inline", sinks=[kept])
    assert outcome.exit_status == 0
    by = Counter(record.answer.by for record in kept.records)
    assert sum(by.values()) == 50
    assert 0 < by["big"] < 50
    for record in kept.records:
        answer = record.answer
        assert answer.as_of == record.seq
        assert answer.reason or answer.by in ("big", "middle")
        assert (answer.detections.xyxy >= 0).all()
        assert (answer.detections.xyxy <= [768, 576, 768, 576]).all()
        assert np.isfinite(answer.detections.confidence).all()
    assert sum(audit["audited"] for audit in outcome.report["streams"]["cam"]["audits"].values()) > 0
