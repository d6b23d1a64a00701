"""One alarm for one person over two cameras, in runs. What must hold:

- on either engine an event joins the alarm of the camera before, and the results tell the same again without pictures;
- the store, its list, the page's API and messages have one alarm with the further camera;
- a rule that joins without a transform that describes is a mistake.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vidpipe.cli.commands.events import Filter, show_events
from vidpipe.core.errors import ConfigError
from vidpipe.core.ways import Ways
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.run import run
from vidpipe.serve.api.store import event as ask_event
from vidpipe.serve.api.store import reviews as ask_reviews
from vidpipe.serve.site import Site
from vidpipe.serve.users import Person, Users

PASSING = '''
"""Two cameras: people pass the gate, and later the yard. The yard is read once the driver has all of the gate."""

import time
from pathlib import Path

import numpy as np
import supervision as sv

from vidpipe import Answer, How, PictureSource, Shot, SourceConfig, Stage

COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
PASSES = {"gate": {0: 0, 1: 60}, "yard": {2: 50, 0: 100, 1: 155}}  # by person, the tenth of a second at which it comes
STAY = 30
FRAMES = 200


class Config(SourceConfig):
    camera: str
    waits: str = ""


class Passing(PictureSource):
    Config = Config

    def pictures(self):
        while self.config.waits and not Path(self.config.waits).exists():
            time.sleep(0.02)
        for seq in range(FRAMES):
            picture = np.full((96, 128, 3), 90, np.uint8)
            for person, first in PASSES[self.config.camera].items():
                if first <= seq < first + STAY:
                    picture[20:80, 40:70] = COLOURS[person]
            yield Shot(seq / 10, picture, 1_700_000_000.0 + seq / 10)


class Sees(Stage):
    def answer(self, frames):
        (frame,) = frames
        there = [n for n, (_, first) in enumerate(PASSES[frame.stream].items()) if first <= frame.seq < first + STAY]
        boxes = sv.Detections(
            xyxy=np.array([[40, 20, 70, 80]] * len(there), np.float32).reshape(-1, 4),
            confidence=np.ones(len(there), np.float32),
            class_id=np.zeros(len(there), int),
            tracker_id=np.array(there, int),
            data={"class_name": np.array(["person"] * len(there), str)},
        )
        return [Answer(boxes, How.MEASURED, self.id, frame.seq)]


class Colour:
    """The mean colour, less that of a street."""

    def embed(self, images):
        vectors = np.array([np.asarray(image, np.float32).mean((0, 1)) - 90 for image in images], np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
'''
PIPELINE = """
classes: {person: person}
models: {looks: {path: "passing:Colour", family: embedder}}
stages: [{id: sees, type: "passing:Sees"}]
transforms: [{id: describe, type: describe, model: looks}]
streams:
  gate: {url: "passing:Passing", settings: {camera: gate}, zones: {ground: [[0, 0], [1, 1], [0, 1]]}}
  yard: {url: "passing:Passing", settings: {camera: yard, waits: WAITS}, zones: {ground: [[0, 0], [1, 1], [0, 1]]}}
rules: [{id: stays, kind: dwell, zone: ground, after_s: 1, joins: WAYS}]
"""
WAYS = {"likeness": 0.9, "ways": [{"from": "gate", "to": "yard", "earliest_s": 3, "latest_s": 12}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "passing.py").write_text(PASSING)
    Ways.model_validate(WAYS).write(tmp_path / "ways.json")
    text = PIPELINE.replace("WAITS", str(tmp_path / "gate-is-there")).replace("WAYS", str(tmp_path / "ways.json"))
    (tmp_path / "pipeline.yaml").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "passing", raising=False)
    return tmp_path


class Tells(Sink):
    """Touches a file once the driver has all of the gate."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, results: Sequence[Result], published_at: float) -> None:
        if any(result.stream == "gate" and result.seq == 199 for result in results):
            self.path.touch()


def told(folder: Path, **options: Any) -> list[dict[str, Any]]:
    """The events of a run, after seeing that its results tell them again; its store is beside them."""
    results, events = folder / "results.jsonl", folder / "events.jsonl"
    store = StoreSink(StoreConfig(path=str(folder / "s.db")))
    sinks = [ResultsFile(results), EventsFile(events), store, Tells(folder / "gate-is-there")]
    outcome = run(load(folder / "pipeline.yaml"), sinks=sinks, **options)
    assert not outcome.errors
    (folder / "ways.json").unlink()  # results hold them
    replay = ResultsReplay(results)
    again = "".join(json.dumps(as_json(event, replay.head["start"])) + "\n" for event in replay.events())
    assert again == events.read_text()
    return [json.loads(line) for line in again.splitlines()]


def check(events: list[dict[str, Any]]) -> None:
    """Who came by the gate is one alarm each, who came over the fence is one as well; ends say the same."""
    alarms = {(each["stream"], each["track_id"]): each["id"] for each in events}
    assert len(alarms) == 5
    joined = {(each["stream"], each["track_id"], each["phase"]): each["joins"] for each in events}
    for phase in ("begin", "end"):
        assert joined["gate", 0, phase] is None
        assert joined["gate", 1, phase] is None
        assert joined["yard", 0, phase] is None  # nobody has seen that one before
        assert joined["yard", 1, phase] == alarms["gate", 0]
        assert joined["yard", 2, phase] == alarms["gate", 1]


def test_who_was_told_of_on_one_camera_is_told_of_as_the_same_on_the_next(folder: Path, capsys: Any) -> None:
    events = told(folder, engine="inline")
    check(events)
    store = folder / "s.db"
    with Store(store) as asked:
        rows = {row["id"]: row for row in asked.events()}
        assert {id: row["joins"] for id, row in rows.items()} == {each["id"]: each["joins"] for each in events}
        assert all(row["further"] == (["yard"] if row["stream"] == "gate" else []) for row in rows.values())
    assert show_events(Filter(store), "table", None, unended=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 3
    assert sum("gate" in line and "yard" in line for line in lines) == 2
    assert show_events(Filter(store, stream="yard"), "json", None, unended=False) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3  # a list for programs leaves nothing out
    site = Site({}, store, (), Users(folder / "nobody"))
    for person in (Person("all"), Person("both", cameras=("gate", "yard"))):
        found = {row["began"]: row for row in ask_reviews(site, person)["reviews"]}
        assert [row["further"] for row in found.values() if row["stream"] == "gate"] == [["yard"]]
        joining = next(id for id, row in rows.items() if row["joins"])
        assert ask_event(joining, site, person)["joins"] == rows[joining]["joins"]
    guard = Person("guard", cameras=("yard",))
    assert ask_event(joining, site, guard)["joins"] is None
    assert "gate" not in json.dumps(ask_reviews(site, guard))


@pytest.mark.ray
def test_ray_tells_the_same(folder: Path, cluster: str) -> None:
    check(told(folder, engine="ray", address=cluster))


def test_without_a_transform_that_describes_it_is_a_mistake(folder: Path) -> None:
    file = folder / "pipeline.yaml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("transforms")))
    with pytest.raises(InvalidPipelineError) as refused:
        load(file)
    assert "there is no transform of type describe" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory: `vidpipe cameras graph --ways"),
        ("{", "it is no JSON"),
        ('{"likeness": 2, "ways": []}', "likeness"),
        ("x" * (2**20 + 1), "it is too large"),
    ],
)
def test_a_file_of_ways_that_is_none_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "ways.json").write_text(content)
    with pytest.raises(ConfigError, match="ways") as refused:
        Ways.read(tmp_path / "ways.json")
    assert message in str(refused.value)
