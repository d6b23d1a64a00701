"""Real footage: past the warm-up, a chunk of a cascade with a memory says what one run does."""

import numpy as np
import pytest

from vidpipe.archive.run import Options
from vidpipe.statistics.agreement import match_by_class, together

FOLLOW = """
classes: {{person: person, vehicle: vehicle, bike: bike}}
models:
  big: {{path: "{model}", threshold: 0.3, threads: 1}}
stages:
  - {{id: difference, type: difference}}
  - {{id: track,      type: track, refresh_s: 1}}
  - {{id: big,        type: detect, model: big, on: cloud}}
"""


def columns(line):
    boxes = np.array([box["xyxy"] for box in line["detections"]], float).reshape(-1, 4)
    return boxes, np.array([["person", "vehicle", "bike"].index(box["class"]) for box in line["detections"]], int)


@pytest.mark.long
@pytest.mark.footage
def test_a_tracked_clip_in_chunks(archiver, assets):
    model = assets / "models" / "person-vehicle-bike-detection-2000.xml"
    pipeline, clip = FOLLOW.format(model=model), {"clip": assets / "videos" / "car-detection.mp4"}
    outcome = archiver(pipeline, clip, Options(chunk_s=8, warm_up_s=5))
    expected = archiver.one_run(pipeline, clip)["clip"]
    lines = archiver.lines()
    assert [(line["seq"], line["pts"]) for line in lines] == [(line["seq"], line["pts"]) for line in expected]
    told = outcome.report["archive"]
    assert told["joints"] == 2
    first = next(line["seq"] for line in lines if line["pts"] >= 8)
    assert lines[:first] == expected[:first]  # of the first chunk
    pairs = zip(lines, expected, strict=True)
    same = [each for one, other in pairs for each in match_by_class(*columns(one), *columns(other)).values()]
    assert together(same).f1 > 0.95
    assert told["f1_at_joint"] > 0.9
