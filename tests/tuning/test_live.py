"""A camera is watched as a run would see it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models.networks import constant_network, yolo_columns
from tests.tuning.footage import clip
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.gate.examples import Collector
from vidpipe.tuning.live import watch

LEFT_AND_RIGHT = [(16, 32, 8, 8, 0, 0.9), (48, 32, 8, 8, 0, 0.8)]
LEFT_HALF = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
NEARLY_ALL = [(0, 0), (0.95, 0), (0.95, 1), (0, 1)]


@pytest.mark.parametrize(
    ("hides", "scores"),
    [({}, [0.9, 0.8]), ({"mask": [LEFT_HALF]}, [0.8]), ({"regions": [LEFT_HALF]}, [0.9]), ({"mask": [NEARLY_ALL]}, [])],
)
def test_what_a_mask_hides_is_no_label(tmp_path, hides, scores):
    """Cars on the road beyond the mask filled the labels, and no frame of the yard was empty."""
    table = yolo_columns(LEFT_AND_RIGHT, 1)
    model = ModelSpec(path=str(constant_network(tmp_path / "still.onnx", {"out": table})), family="yolo", names=["car"])
    spec = StreamSpec(url=f"live+file:{clip(tmp_path / 'yard.mp4', seconds=2, visits=0)}", **hides)
    examples = Collector("yard", ["car"])
    watched = watch(spec, "yard", model, Classes({"car": ["car"]}), [], 1.0, examples, lambda _: None)
    looked = watched.truth.known
    assert looked.any()
    boxes = watched.truth.boxes
    assert (np.bincount(boxes.frame, minlength=len(looked))[looked] == len(scores)).all()
    np.testing.assert_allclose(boxes.score[: len(scores)], scores, atol=1e-6)
    assert (examples.examples().shows([]) == bool(scores)).all()
