"""Events that are learnt, in runs. What must hold:

- what a run tells, on either engine, its results tell again: they hold the features that it went by;
- features come of what stages have computed: who asks for none gets none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import crowd
from tests.teaching.street import classifier
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.transforms.learnt import boxes

DIFFERENCE = "  - {id: difference, type: difference, blocks: 4, threshold: 0.5}\n"
GRID = 16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crowd whose pictures vary, a difference detector on them, and an event of its blocks and of boxes.

    Their source has a name of its own, as a class is looked for once in a process.
    """
    crowd.write(tmp_path, monkeypatch)
    module = tmp_path / "crowd.py"
    source = module.read_text()
    still = "np.full((96, 128, 3), 40, np.uint8)"
    assert still in source
    varied = "np.full((96, 128, 3), 40 + seq * seq % 97 // (1 + seq // 20 % 2 * 50), np.uint8)"
    module.write_text(source.replace(still, varied).replace("class Dark", "class Varied"))
    pipeline = tmp_path / "pipeline.yaml"
    text = pipeline.read_text().replace("stages:\n", "stages:\n" + DIFFERENCE).replace("crowd:Dark", "crowd:Varied")
    pipeline.write_text(text[: text.index("rules:\n")])
    size = 3 * (boxes.size_of(1) + GRID)
    weights = [0.0] * size
    weights[: 2 * (boxes.size_of(1) + GRID)] = [0.3] * (2 * (boxes.size_of(1) + GRID))
    event = classifier(-6.0, ("boxes", "difference"), GRID, weights=weights, window_s=1.0)
    event.write(tmp_path / "meets.event")
    return tmp_path


def told(folder: Path, rule: dict[str, Any], **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of a run, after seeing that its results tell them again, and its results."""
    (folder / "rules.yaml").write_text(json.dumps({"rules": [{"id": "meets", "kind": "learnt", **rule}]}))
    pipeline = load(folder / "pipeline.yaml", config=folder / "rules.yaml")
    results, events = folder / "results.jsonl", folder / "events.jsonl"
    for file in (results, events):
        file.unlink(missing_ok=True)
    outcome = run(pipeline, sinks=[ResultsFile(results), EventsFile(events)], **options)
    assert not outcome.errors
    replay = ResultsReplay(results)
    again = "".join(json.dumps(as_json(event, replay.head["start"])) + "\n" for event in replay.events())
    assert again == events.read_text()
    return [json.loads(line) for line in again.splitlines()], [
        json.loads(line) for line in results.read_text().splitlines()[1:]
    ]


def without_run(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "id": event["id"].split("/", 1)[1]} for event in events]


def test_results_tell_what_the_run_has_told(folder: Path) -> None:
    events, results = told(folder, {"event": str(folder / "meets.event"), "review": 1.0}, engine="inline")
    assert {event["kind"] for event in events} >= {"learnt", "learnt.review"}
    assert len(results) == 120
    holding = [line["pts"] for line in results if "features" in line]
    assert len(holding) == pytest.approx(24, abs=3)  # two a second of twelve
    assert all(len(line["features"]["difference"]) == GRID for line in results if "features" in line)


def test_features_are_recorded_before_there_is_an_event(folder: Path) -> None:
    events, results = told(folder, {"features": ["difference"]}, engine="inline")
    assert not any(event["kind"].startswith("learnt") for event in events)
    assert any("features" in line for line in results)


@pytest.mark.ray
def test_ray_tells_the_same(folder: Path, cluster: str) -> None:
    rule = {"event": str(folder / "meets.event"), "review": 0.5}
    inline, _ = told(folder, rule, engine="inline")
    ray, _ = told(folder, rule, engine="ray", address=cluster)
    assert without_run(ray) == without_run(inline)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["differnce"], "it goes by features of a stage 'differnce', which is not there; did you mean 'difference'?"),
        (["embedding"], "there is no transform of type describe"),
    ],
)
def test_features_that_nobody_computes_are_a_mistake(folder: Path, features: list[str], message: str) -> None:
    with pytest.raises(InvalidPipelineError) as refused:
        told(folder, {"features": features}, engine="inline")
    assert message in str(refused.value)


def test_a_class_that_is_not_found_is_a_mistake(folder: Path) -> None:
    classifier(inputs=("boxes",)).model_copy(update={"classes": ("horse",)}).write(folder / "horse.event")
    with pytest.raises(InvalidPipelineError) as refused:
        told(folder, {"event": str(folder / "horse.event")}, engine="inline")
    assert "taught with class 'horse', which is not there" in str(refused.value)
