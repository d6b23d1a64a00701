"""Events as JSON: one flat shape, and ids that tell runs apart."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests import crowd
from vidpipe.core.event import Event, Phase
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import FIELDS, as_json
from vidpipe.results.sinks.events import EventsFile
from vidpipe.runtime.driver.run import run

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "event.schema.json").read_text(encoding="utf-8"))
START = "2026-11-29T17:25:32.151+00:00"


def entered(**changes: object) -> Event:
    known = {
        "kind": "zone.enter",
        "stream": "gate",
        "seq": 7,
        "pts": 0.7,
        "at": 12.34567,
        "rule": "yard",
        "id": "yard/3",
    }
    return Event(**{**known, **changes})  # type: ignore[arg-type]


def test_all_fields_of_the_schema_are_there_and_json_holds_them() -> None:
    told = as_json(entered(data={"zone": "yard", "own": [1, 2]}, phase=Phase.END), START)
    assert set(FIELDS) < set(told)
    assert json.loads(json.dumps(told)) == told
    assert (told["zone"], told["line"], told["own"], told["phase"], told["at"]) == ("yard", None, [1, 2], "end", 12.346)


def test_an_id_is_the_same_in_each_phase_and_another_in_each_run_and_stream() -> None:
    first = as_json(entered(), START)["id"]
    assert first == as_json(entered(seq=9, phase=Phase.END), START)["id"]
    assert (
        len({first, as_json(entered(), "2026-11-29T17:25:33+00:00")["id"], as_json(entered(stream="b"), START)["id"]})
        == 3
    )


def test_a_run_begins_at_one_time_however_it_is_written() -> None:
    assert as_json(entered(), START)["id"] == as_json(entered(), "2026-11-29T18:25:32.151+01:00")["id"]


def test_the_schema_names_what_each_event_has() -> None:
    assert SCHEMA["required"] == list(as_json(entered(), START))


def test_what_rules_tell_is_as_the_schema_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field of it is described, and each kind of event is there."""
    crowd.write(tmp_path, monkeypatch)
    file = tmp_path / "events.jsonl"
    run(load(tmp_path / "pipeline.yaml", sets=["stages.crowd.seed=3"]), engine="inline", sinks=[EventsFile(file)])
    told = [json.loads(line) for line in file.read_text().splitlines()]
    strict = {**SCHEMA, "additionalProperties": False}
    for event in told:
        jsonschema.validate(event, strict)
    assert {event["kind"] for event in told} >= {"zone.dwell", "line.cross", "occupancy", "absence"}
