"""Events of rules. What must hold, whoever walks where:

- what a run tells, on either engine, its results tell again, to the last digit;
- a process that dies in the midst of a dwell tells nothing twice and loses nothing;
- late audits count as well, from the result on that was published behind them;
- rules that change meanwhile lose no frame, and the results tell when: replayed without a pipeline they give the events
  of the run, before the change and behind it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import crowd
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.base import ControlledRun, Sink
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.driver.session import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return crowd.write(tmp_path, monkeypatch)


def told(folder: Path, pipeline: Pipeline, **options: Any) -> tuple[str, str]:
    """What a run tells, and what its results tell again."""
    results, events = folder / "results.jsonl", folder / "events.jsonl"
    outcome = run(pipeline, sinks=[ResultsFile(results), EventsFile(events)], **options)
    assert not outcome.errors
    assert replayed(results, pipeline) == replayed(results)  # its own rules are those that the results tell
    return events.read_text(), replayed(results, pipeline)


def replayed(results: Path, pipeline: Pipeline | None = None) -> str:
    replay = ResultsReplay(results)
    return "".join(json.dumps(as_json(event, replay.head["start"])) + "\n" for event in replay.events(pipeline))


EDITS: Sequence[tuple[int, dict[str, Any]]] = (
    (
        30,
        {
            "remove": {"rules": ["full"]},
            "change": {"rules": [{"id": "stays", "kind": "dwell", "zone": "lawn", "after_s": 0.5}]},
        },
    ),
    (
        60,
        {"add": {"zones": {"bed": [[0, 0], [0.4, 0], [0.4, 1]]}}, "change": {"lines": {"wall": [[0.3, 0], [0.3, 1]]}}},
    ),
    (90, {"add": {"rules": [{"id": "cars", "kind": "occupancy", "class": "car", "at_least": 2}]}}),
)
"""What is changed once the result of that number has come."""


def edited(folder: Path, pipeline: Pipeline, **options: Any) -> tuple[str, list[int]]:
    """What a run tells whose rules change, and how many results it has under each epoch."""
    results, events = folder / "results.jsonl", folder / "events.jsonl"
    edits, epochs = deque(EDITS), []
    with Run(pipeline, sinks=[ResultsFile(results), EventsFile(events)], **options) as run_:
        for result in run_:
            epochs.append(result.epoch)
            if edits and result.seq == edits[0][0]:
                run_.edit_rules("yard", **edits.popleft()[1], reason="a test")
        outcome = run_.join()
    assert not outcome.errors
    assert [epoch["reason"] for epoch in outcome.report["streams"]["yard"]["settings"]] == ["a test"] * 3
    return events.read_text(), epochs


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


def test_rules_change_without_a_lost_frame_and_results_tell_when(folder: Path) -> None:
    live, epochs = edited(folder, load(folder / "pipeline.yaml", sets=["stages.crowd.once=slow"]), engine="inline")
    assert len(epochs) == 120
    assert sorted(epochs) == epochs
    assert set(epochs) == {0, 1, 2, 3}
    assert replayed(folder / "results.jsonl") == live
    told = [json.loads(line) for line in live.splitlines()]
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()[1:]]
    knobs = {line["seq"]: line["knobs"] for line in lines}
    assert [[each["epoch"] for each in line["settings"]] for line in lines if "settings" in line] == [[1], [2], [3]]
    assert all(event["config"].split("-")[0] == str(knobs[event["seq"]]) for event in told)
    reasons = {(event["rule"], event["reason"]) for event in told if "reason" in event}
    assert {reason for _, reason in reasons} <= {"rule removed", "rule changed", "stream ended"}
    lasting = {kind: {event["id"] for event in told if event["phase"] == kind} for kind in ("begin", "end")}
    crossings = {event["id"] for event in told if event["kind"] == "line.cross"}
    assert lasting["begin"] - crossings == lasting["end"]  # nothing is left open
    versions = {
        rule: {event["config"].split("-")[1] for event in told if event["rule"] == rule} for rule in ("stays", "goes")
    }
    assert len(versions["stays"]) > 1
    assert len(versions["goes"]) == 1


def test_what_is_refused_changes_nothing(folder: Path) -> None:
    with Run(load(folder / "pipeline.yaml"), engine="inline") as run_:
        with pytest.raises(ConfigError, match="there is a rule 'full' already"):
            run_.edit_rules("yard", add={"rules": [{"id": "full", "kind": "presence"}]})
        results = list(run_)
    assert {result.epoch for result in results} == {0}
    with pytest.raises(RunError, match="nothing can be changed: the run is ended"):
        run_.edit_rules("yard", remove={"rules": ["full"]})


def test_a_configuration_that_is_read_again_changes_rules_alone(folder: Path) -> None:
    """Zones and lines are fields of a stream: with other ones it began anew, and forgot who was there."""
    (folder / "config.yaml").write_text(
        "streams: {yard: {zones: {lawn: [[0.2, 0.2], [0.6, 0.2], [0.5, 0.9]]}}}\nrules: []\n"
    )
    fresh = [load(folder / "pipeline.yaml", config=folder / "config.yaml", sets=["stages.crowd.once=slow"])]
    seen: list[int] = []
    results = folder / "results.jsonl"

    class Kept(Sink):
        def attach(self, run: ControlledRun) -> None:
            self.run = run

        def write(self, records: Sequence[Result], published_at: float) -> None:
            seen.extend(record.seq for record in records)

    kept = Kept()
    outcome = run(
        load(folder / "pipeline.yaml", sets=["stages.crowd.once=slow", "rules=[]"]),
        sinks=[ResultsFile(results), EventsFile(folder / "events.jsonl"), kept],
        engine="inline",
        reload=lambda: fresh.pop() if fresh and len(seen) > 20 else None,
    )
    assert not outcome.errors
    assert seen == list(range(120))
    (change,) = outcome.report["streams"]["yard"]["settings"]
    assert change["by"] == "reload"
    assert "anew" not in change
    assert list(kept.run.pipeline.streams["yard"].spec.zones["lawn"]) == [(0.2, 0.2), (0.6, 0.2), (0.5, 0.9)]
    assert replayed(results) == (folder / "events.jsonl").read_text()


@pytest.mark.long
@pytest.mark.ray
def test_ray_tells_the_same_when_a_process_dies_behind_a_change(folder: Path, cluster: str) -> None:
    """It is shown again what was published since second 5, each result under the rules that were in force then."""
    sets = ["stages.crowd.at=75", f"stages.crowd.once={folder / 'died'}"]
    live, epochs = edited(folder, load(folder / "pipeline.yaml", sets=sets), engine="ray", address=cluster)
    assert (folder / "died").exists()
    assert len(epochs) == 120
    assert replayed(folder / "results.jsonl") == live


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize("at", [-1, 75])
def test_ray_tells_the_same_also_when_a_process_dies(folder: Path, cluster: str, at: int) -> None:
    """It dies at second 7.5: what it kept is of second 5, and half a visit is known since."""
    inline, _ = told(folder, load(folder / "pipeline.yaml"), engine="inline")
    died = folder / "died"
    sets = [f"stages.crowd.at={at}", f"stages.crowd.once={died}"] if at >= 0 else []
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
