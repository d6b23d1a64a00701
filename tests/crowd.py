"""A pipeline with rules, and a crowd for it that walks at random: all of a user's own, without a model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

CROWD = '''
"""A crowd that walks at random, seen by a stage that knows it, and by one that repeats what it learnt."""

from dataclasses import replace
from pathlib import Path
import os
import signal
import time

import numpy as np
import supervision as sv

from vidpipe import Answer, How, PictureSource, Shot, SourceConfig, Stage, StageConfig


class Config(SourceConfig):
    frames: int = 120


class Dark(PictureSource):
    Config = Config

    def pictures(self):
        for seq in range(self.config.frames):
            yield Shot(seq / 10, np.full((96, 128, 3), 40, np.uint8), 1_700_000_000.123456 + seq / 10)


class CrowdConfig(StageConfig):
    seed: int = 0
    once: str = ""
    at: int = -1


class Crowd(Stage):
    """Some come and go, are lost, and change their identities."""

    Config = CrowdConfig

    def open(self, context):
        rng = np.random.default_rng(self.config.seed)
        count = 6
        way = rng.random((1, count, 2)) + np.cumsum(rng.normal(0, 0.03, (200, count, 2)), axis=0)
        self.feet = np.abs((way + 1) % 2 - 1)
        self.there = rng.random((200, count)) > 0.1
        self.ids = np.arange(count) + 1 + 10 * np.cumsum(rng.random((200, count)) < 0.02, axis=0)
        self.scores = rng.random((200, count))
        self.kinds = rng.integers(0, 2, count)

    def answer(self, frames):
        (frame,) = frames
        if self.config.once:
            time.sleep(0.02)  # what was published before it dies is to be known elsewhere by then
        if frame.seq == self.config.at and not Path(self.config.once).exists():
            Path(self.config.once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        rows = np.flatnonzero(self.there[frame.seq])
        x, y = (self.feet[frame.seq, rows] * [128, 96]).T
        boxes = sv.Detections(
            xyxy=np.clip(np.stack([x - 4, y - 20, x + 4, y], axis=1), 0, [128, 96, 128, 96]).astype(np.float32),
            confidence=self.scores[frame.seq, rows].astype(np.float32),
            class_id=self.kinds[rows],
            tracker_id=self.ids[frame.seq, rows],
            data={"class_name": np.array(["person", "car"])[self.kinds[rows]]},
        )
        return [Answer(boxes, How.MEASURED, self.id, frame.seq)]


class Repeats(Stage):
    """Answers two pictures of three with what it learnt last."""

    can_be_last = False
    known = None

    def answer(self, frames):
        (frame,) = frames
        if frame.seq % 3 == 0 or self.known is None:
            return [None]
        return [Answer(self.known.detections, How.REUSED, self.id, self.known.as_of)]

    def learn(self, frame, answer):
        self.known = answer

    def snapshot(self):
        return self.known

    def restore(self, state):
        self.known = state
'''

PIPELINE = """
classes: {person: person, car: car}
stages:
  - {id: repeats, type: "crowd:Repeats"}
  - {id: crowd, type: "crowd:Crowd"}
audit: {rate: 0.1, max_unchecked_s: null}
streams:
  yard:
    url: "crowd:Dark"
    zones: {lawn: [[0.1, 0.1], [0.6, 0.2], [0.5, 0.9]], gate: [[0.5, 0.3], [1, 0.3], [1, 1], [0.5, 1]]}
    lines: {path: [[0, 0.5], [0.5, 0.6], [1, 0.4]], wall: [[0.5, 0], [0.5, 1]]}
rules:
  - {id: stays, kind: dwell, zone: [lawn, gate], after_s: 1, again_s: 0.7, grace_s: 0.5, class: person}
  - {id: full, kind: occupancy, zone: gate, at_least: 2, for_s: 0.3, least_score: 0.2}
  - {id: empty, kind: absence, zone: lawn, for_s: 1}
  - {id: anybody, kind: presence, class: car, anchor: centre, zone: lawn}
  - {id: goes, kind: zone, zone: gate, active: even, least_height: 0.1}
schedules: {even: [{from: "22:13", to: "22:14"}, {from: "22:15", to: "00:00"}]}
"""


def write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have it in a folder, `pipeline.yaml` with what it needs; returns the folder."""
    (folder / "crowd.py").write_text(CROWD)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "crowd", raising=False)
    return folder
