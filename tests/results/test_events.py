"""Events as JSON: one flat shape, and ids that tell runs apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests import crowd
from vidpipe.core.event import Event, Phase
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import FIELDS, as_json
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.mqtt.sink import MqttConfig
from vidpipe.runtime.driver.run import run

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "event.schema.json").read_text(encoding="utf-8"))


class AsyncApi:
    """An AsyncAPI file with its references, also those into other files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = yaml.safe_load(path.read_text(encoding="utf-8"))

    def resolved(self, value: Any) -> Any:
        """The value with what its references mean in their place; raises KeyError or OSError where one is wrong."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if (reference := value.get("$ref")) is None:
            return {key: self.resolved(item) for key, item in value.items()}
        file, _, place = reference.partition("#/")
        if file:
            return json.loads((self.path.parent / file).read_text(encoding="utf-8"))
        found = self.data
        for key in place.split("/"):
            found = found[key]
        return self.resolved(found)

    def payload(self, channel: str, message: str) -> Any:
        """The JSON Schema of a channel's message."""
        payload = self.resolved(self.data["channels"][channel]["messages"][message])["payload"]
        return payload.get("schema", payload)


ASYNC = AsyncApi(DOCS / "events.asyncapi.yaml")
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


def test_the_asyncapi_file_says_where_events_go() -> None:
    """Its references lead somewhere, and it has the topics and headers that sinks have."""
    whole = ASYNC.resolved(ASYNC.data)
    assert whole["asyncapi"].startswith("3.")
    assert {"info", "channels", "operations", "components"} < whole.keys()
    for operation in whole["operations"].values():
        assert operation["channel"] in whole["channels"].values()
        assert all(message in operation["channel"]["messages"].values() for message in operation["messages"])
    fields = MqttConfig.model_fields
    assert whole["channels"]["mqtt"]["address"] == fields["topic"].default
    assert whole["channels"]["available"]["address"] == fields["available"].default
    kinds = set(whole["channels"]["mqtt"]["parameters"]["kind"]["examples"])
    assert kinds == {kind for each in SCHEMA["$defs"].values() for kind in each["enum"]}
    jsonschema.validate("online", ASYNC.payload("available", "available"))
    assert ASYNC.payload("webhook", "event") == ASYNC.payload("mqtt", "event") == SCHEMA


def test_the_schema_says_which_kinds_last() -> None:
    lasting, moments = (set(SCHEMA["$defs"][name]["enum"]) for name in ("lasts", "moment"))
    told = {**as_json(entered(), START), "by": "big"}
    jsonschema.validate(told, SCHEMA)
    for kind in moments:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**told, "kind": kind, "phase": "end"}, SCHEMA)
    for kind in lasting - {"zone.enter"}:
        jsonschema.validate({**told, "kind": kind, "phase": "end", "reason": "stream ended"}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):  # what begins has no reason to end
        jsonschema.validate({**told, "reason": "stream ended"}, SCHEMA)


@pytest.mark.long
def test_what_rules_tell_is_as_the_schema_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field of it is described, and each kind of event is there."""
    crowd.write(tmp_path, monkeypatch)
    file = tmp_path / "events.jsonl"
    run(load(tmp_path / "pipeline.yaml", sets=["stages.crowd.seed=3"]), engine="inline", sinks=[EventsFile(file)])
    told = [json.loads(line) for line in file.read_text().splitlines()]
    strict = {**SCHEMA, "additionalProperties": False}
    for event in told:
        jsonschema.validate(event, strict)
        jsonschema.validate(event, ASYNC.payload("mqtt", "event"))
    assert {event["kind"] for event in told} >= {"zone.dwell", "line.cross", "occupancy", "absence"}
