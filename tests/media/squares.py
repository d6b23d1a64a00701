"""A pipeline with a rule and media whose stage finds the bright square of `tests.clips`, and what a run of it tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests import clips
from tests.media import clip as clip_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load

STAGE = '''
"""Finds the bright square of tests/clips.py, by the number that the picture carries."""

import numpy as np
import supervision as sv

from vidpipe import Answer, How, Stage, nothing


class Square(Stage):
    def answer(self, frames):
        return [self.find(frame) for frame in frames]

    def find(self, frame):
        inner = frame.luma()[4:12, :128].reshape(8, 8, 16)[:, :, 4:-4]
        number = int(np.packbits(inner.mean(axis=(0, 2)) > 125)[0])
        if not (30 <= number < 80 or 150 <= number < 170):
            return Answer(nothing(), How.MEASURED, self.id, frame.seq)
        left = 8 + number * 3 % (frame.width - 40)
        boxes = sv.Detections(
            xyxy=np.array([[left, frame.height // 2, left + 24, frame.height // 2 + 24]], np.float32),
            confidence=np.array([0.9], np.float32), class_id=np.array([0]),
            tracker_id=np.array([1 if number < 100 else 2]), data={"class_name": np.array(["square"])},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq)
'''

PIPELINE = """
classes: {square: square}
stages: [{id: square, type: "squares:Square"}]
audit: {rate: 0, max_unchecked_s: null}
streams:
  cam: {url: URL, zones: {all: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
rules: [{id: there, kind: zone, zone: all, grace_s: 0.2}]
media: {folder: FOLDER, pre_s: 0.5, post_s: 0.3, pictures: frame}
"""


class Told(NamedTuple):
    """What a run has told.

    Attributes:
        results: by number of the frame.
        media: of the report, by stream.
    """

    events: list[dict[str, Any]]
    results: dict[int, dict[str, Any]]
    media: dict[str, Any]


def pipeline(folder: Path, url: object, sets: Sequence[str] = ()) -> Pipeline:
    """The pipeline, loaded; it writes into `media` in this folder, which must be where Python finds modules."""
    (folder / "squares.py").write_text(STAGE)
    (folder / "p.yaml").write_text(PIPELINE.replace("URL", str(url)).replace("FOLDER", str(folder / "media")))
    return load(folder / "p.yaml", sets=sets)


def told(folder: Path, report: dict[str, Any]) -> Told:
    """What stands in `r.jsonl` and `e.jsonl` there, and in the report."""
    lines = [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()[1:]]
    events = [json.loads(line) for line in (folder / "e.jsonl").read_text().splitlines()]
    return Told(events, {line["seq"]: line for line in lines}, report["media"])


def boxes_on(clip: Path, results: dict[int, dict[str, Any]]) -> int:
    """Draw, so to speak, boxes over a clip: how many lie on the square, to the pixel; none may lie elsewhere."""
    begin = clip_of.comment(clip)["pts"]
    right = 0
    for seconds, number in clip_of.shown(clip):
        result = min(results.values(), key=lambda line: abs(line["pts"] - begin - seconds))
        assert abs(result["pts"] - begin - seconds) < 1e-4
        if result["how"] != "measured":
            continue
        for box in result["detections"]:
            assert box["xyxy"][0] == 8 + number * 3 % (clips.WIDTH - 40), (result["seq"], number)
            right += 1
        assert bool(result["detections"]) == (30 <= number < 80 or 150 <= number < 170)
    return right
