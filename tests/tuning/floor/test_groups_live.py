"""Streams that are alike, in a run: three on which both models see the same, and one where little sees nothing."""

from __future__ import annotations

import av
import numpy as np
import pytest

from tests.clips import encode
from tests.models.networks import following_network
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run
from vidpipe.tuning.floor.apply import hold_floors

PIPELINE = """
classes: {thing: thing}
models:
  big: {path: big.onnx, family: yolo}
  little: {path: little.onnx, family: yolo}
stages:
  - {id: little, type: detect, model: little, accept: 0.5}
  - {id: big, type: detect, model: big}
tuner: {type: floor, trials: 1, every_s: 0.05}
"""
ALIKE = ("a", "b", "c")
# (cx, cy, w, h, class, score); they stand the further right, the brighter the picture is.
DIM, BRIGHT = (-70, 30, 20, 20, 0, 0.9), (-150, 30, 20, 20, 0, 0.9)


def lit(grey):
    """A picture of this brightness, with some noise that holds nothing."""

    def picture(number, width, height):
        noise = np.random.default_rng(number).integers(-8, 9, (height, width, 1))
        return av.VideoFrame.from_ndarray(np.broadcast_to(grey + noise, (height, width, 3)).astype(np.uint8), "bgr24")

    return picture


@pytest.mark.long
@pytest.mark.timed  # shadow asks are answered when the machine has nothing else to do
def test_streams_of_a_run_that_are_alike_go_by_each_other_and_one_that_is_not_goes_by_none(tmp_path):
    following_network(tmp_path / "big.onnx", [DIM, BRIGHT], ["thing"], shift_px=200)
    following_network(tmp_path / "little.onnx", [DIM], ["thing"], shift_px=200)
    for name, grey in (("dim", 128), ("bright", 230)):
        encode(tmp_path / f"{name}.mp4", frames=1000, fps=25, picture=lit(grey))
    (tmp_path / "pair.yaml").write_text(PIPELINE)
    clips = dict.fromkeys(ALIKE, f"live+file:{tmp_path / 'dim.mp4'}")
    clips["odd"] = f"live+file:{tmp_path / 'bright.mp4'}"
    pipeline = hold_floors(load(tmp_path / "pair.yaml", sources=clips, floor=0.5))
    with Run(pipeline, engine="inline") as run:
        waiting = set(ALIKE)
        for result in run:
            if result.answer.by == "little":
                waiting.discard(result.stream)
            if not waiting:
                break
        run.stop()
        report = run.join().report
    reasons = {name: [each["reason"] for each in report["streams"][name]["settings"]] for name in clips}
    assert not waiting
    assert reasons["odd"] == []
    assert any(" too, for a floor of 0.5" in reason for name in ALIKE for reason in reasons[name])
    assert report["streams"]["odd"]["tuning"]["looks"] > 0
