"""Events of rules. What must hold, whoever walks where:

- what a run tells, on either engine, its results tell again, to the last digit;
- a process that dies in the midst of a dwell tells nothing twice and loses nothing;
- late audits count as well, from the result on that was published behind them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run

CROWD = '''
"""A crowd that walks at random, seen by a stage that knows it, and by one that repeats what it learnt."""

from dataclasses import replace
from pathlib import Path
import os
import signal

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "crowd.py").write_text(CROWD)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "crowd", raising=False)
    return tmp_path


def told(folder: Path, pipeline: Pipeline, **options: Any) -> tuple[str, str]:
    """What a run tells, and what its results tell again."""
    results, events = folder / "results.jsonl", folder / "events.jsonl"
    outcome = run(pipeline, sinks=[ResultsFile(results), EventsFile(events)], **options)
    assert not outcome.errors
    replay = ResultsReplay(results)
    again = [json.dumps(as_json(event, replay.head["start"])) + "\n" for event in replay.events(pipeline)]
    return events.read_text(), "".join(again)


def without_run(events: str) -> list[dict[str, Any]]:
    """Events without what tells one run from another."""
    return [{**event, "id": event["id"].split("/", 1)[1]} for event in map(json.loads, events.splitlines())]


@given(seed=st.integers(0, 2**20))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_tell_what_the_run_has_told(folder: Path, seed: int) -> None:
    pipeline = load(folder / "pipeline.yaml", sets=[f"stages.crowd.seed={seed}"])
    live, again = told(folder, pipeline, engine="inline")
    assert live == again
    assert len({event["rule"] for event in map(json.loads, live.splitlines())}) > 2


@pytest.mark.ray
@pytest.mark.parametrize("at", [-1, 75])
def test_ray_tells_the_same_also_when_a_process_dies(folder: Path, cluster: str, at: int) -> None:
    """It dies at second 7.5: what it kept is of second 5, and half a visit is known since."""
    inline, _ = told(folder, load(folder / "pipeline.yaml"), engine="inline")
    died = folder / "died"
    sets = [f"stages.crowd.at={at}", f"stages.crowd.once={died}"]
    live, again = told(folder, load(folder / "pipeline.yaml", sets=sets), engine="ray", address=cluster)
    assert died.exists() == (at >= 0)
    assert live == again
    assert without_run(live) == without_run(inline)


def test_audits_tell_how_much_a_stream_misses(folder: Path) -> None:
    live, _ = told(folder, load(folder / "pipeline.yaml", sets=["audit.rate=0.3"]), engine="inline")
    rates = [event["miss_rate"] for event in map(json.loads, live.splitlines())]
    assert rates[0]["estimate"] is None or rates[0]["high"] > rates[-1]["high"]
    assert rates[-1]["low"] <= rates[-1]["estimate"] <= rates[-1]["high"] < 1
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()[1:]]
    audits = [audit for line in lines for audit in line.get("audits", ())]
    assert {audit["stage"] for audit in audits} == {"repeats"}
    assert len(audits) == sum(line["reason"] == "audit of repeats" for line in lines)
