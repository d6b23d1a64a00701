"""Events as JSON: one flat shape, and ids that tell runs apart."""

from __future__ import annotations

import json

from vidpipe.core.event import Event, Phase
from vidpipe.results.events import FIELDS, as_json

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
