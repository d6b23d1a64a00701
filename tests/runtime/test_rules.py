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

from tests import crowd
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return crowd.write(tmp_path, monkeypatch)


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
