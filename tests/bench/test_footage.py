"""On real footage with people's labels: decoding, models, labels and scores together give figures that are known.

The wanted ones were measured elsewhere, on samples of the same clips, with other code.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vidpipe.accuracy.reference.predictions import FLOOR
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.read import read_labels
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

pytestmark = [pytest.mark.footage, pytest.mark.timeout(300)]

STRIDE = {"vtest.avi": 12, "TUD-Stadtmitte.mp4": 4}
PERSON_AP50 = {
    "person-vehicle-bike-detection-2000.xml": (0.83, 0.88),
    "person-vehicle-bike-detection-2002.xml": (0.92, 0.89),
    "person-vehicle-bike-detection-2003.xml": (0.94, 0.94),
    "yolov8n_int8.tflite": (0.92, 0.88),
}
PERSON = Classes({"person": ["person"]})


def predictions(clip, detector, stride):
    """Boxes of every `stride`-th frame; the others are not known."""
    source = open_source("clip", StreamSpec(url=str(clip)), knobs=Knobs())
    pts, rows = [], []
    for frame in source:
        pts.append(frame.pts)
        if frame.seq % stride == 0:
            (found,) = detector.detect([frame.bgr()], FLOOR)
            rows += [(frame.seq, *box, score) for box, score in zip(found.xyxy, found.confidence, strict=True)]
    table = np.array(rows, np.float64)
    boxes = Boxes.of(table[:, 0].astype(int), table[:, 1:5], score=table[:, 5])
    known = np.arange(len(pts)) % stride == 0
    return Series(("person",), source.info.width, source.info.height, np.array(pts), known, boxes)


@pytest.mark.long
@pytest.mark.parametrize("name", list(PERSON_AP50))
def test_average_precision_is_what_others_measured(assets, name):
    path = assets / "models" / name
    if not path.is_file():
        pytest.skip(f"no model {path}")
    detector = load_detector(ModelSpec(path=str(path)), PERSON)
    measured = []
    for clip, stride in STRIDE.items():
        found = predictions(assets / "videos" / clip, detector, stride)
        labels = read_labels(assets / "truth" / f"{clip.split('.')[0]}.txt", PERSON, found).series
        measured.append(ap50(found, replace(labels, known=found.known))["person"])
    assert measured == pytest.approx(PERSON_AP50[name], abs=0.03)
