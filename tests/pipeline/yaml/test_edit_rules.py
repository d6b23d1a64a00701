"""Rules, zones and lines that change while a pipeline runs: what comes out, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build
from vidpipe.pipeline.yaml.edit_rules import edit_rules

YARD = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0]]
DOOR = [[0.5, 1.0], [0.5, 0.0]]
LURKS = {"id": "lurks", "kind": "dwell", "zone": ["yard"], "after_s": 30}


def pipeline(track: bool = True, **fields: Any) -> Pipeline:
    stages = [{"id": "follow", "type": "track"}] if track else []
    return build.Pipeline(
        [*stages, {"id": "big", "type": "detect", "model": "big"}],
        classes={"person": "person"},
        models={"big": {"path": "yolo11n"}},
        streams={"gate": {"url": "gate.mp4", "zones": {"yard": YARD, "porch": YARD}, "lines": {"door": DOOR}}},
        **{"rules": [LURKS], **fields},
    )


@pytest.fixture(scope="module")
def running() -> Pipeline:
    return pipeline()


def ids(running: Pipeline, **edit: Any) -> list[tuple[str, Any]]:
    return [(rule.id, rule.zone or rule.line) for rule in edit_rules(running, "gate", **edit).rules]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"add": {"rules": [{"id": "any", "kind": "presence"}]}},
         [("lurks", ["yard"]), ("any", None), ("porch", "porch"), ("door", "door")]),
        ({"change": {"rules": [{**LURKS, "zone": "porch"}]}},
         [("lurks", ["porch"]), ("yard", "yard"), ("door", "door")]),
        ({"remove": {"rules": ["lurks"]}}, [("yard", "yard"), ("porch", "porch"), ("door", "door")]),
        ({"remove": {"rules": ["lurks"], "zones": ["yard"]}}, [("porch", "porch"), ("door", "door")]),
        ({"remove": {"lines": ["door"]}}, [("lurks", ["yard"]), ("porch", "porch")]),
        ({"add": {"zones": {"new": YARD},
                  "rules": [{"id": "full", "kind": "occupancy", "zone": "new", "at_least": 1}]}},
         [("lurks", ["yard"]), ("full", ["new"]), ("porch", "porch"), ("door", "door")]),
    ],
)  # fmt: skip
def test_what_comes_out(running: Pipeline, edit: dict[str, Any], expected: list[tuple[str, Any]]) -> None:
    assert ids(running, **edit) == expected


def test_what_stays_is_the_same(running: Pipeline) -> None:
    before = running.streams["gate"].configs["rules"].rules
    assert [
        rule for rule in edit_rules(running, "gate", add={"zones": {"new": YARD}}).rules if rule.id != "new"
    ] == before


def test_a_zone_that_goes_is_taken_from_rules_that_name_others() -> None:
    both = pipeline(rules=[{**LURKS, "zone": ["yard", "porch"]}])
    assert ids(both, remove={"zones": ["porch"]}) == [("lurks", ["yard"]), ("door", "door")]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({}, "nothing to change"),
        ({"add": {"zone": {"a": YARD}}}, "add: there is no 'zone'; there is rules, zones, lines"),
        ({"add": {"rules": [LURKS]}}, "add: there is a rule 'lurks' already: give it under `change`"),
        ({"add": {"zones": {"yard": YARD}}}, "add: there is a zone 'yard' already"),
        ({"add": {"rules": [{"kind": "presence"}]}}, "each rule needs an id of its own, not None"),
        ({"change": {"rules": [{**LURKS, "id": "lurk"}]}}, "change: there is no rule 'lurk'; did you mean 'lurks'"),
        ({"change": {"lines": {"dor": DOOR}}}, "change: there is no line 'dor'; did you mean 'door'"),
        ({"remove": {"zones": ["yrd"]}}, "remove: there is no zone 'yrd'; did you mean 'yard'"),
        ({"remove": {"zones": "yard"}}, "remove: zones must be a list of names, not 'yard'"),
        ({"remove": {"rules": ["lurks", "lurks"]}}, "rule 'lurks' is named twice"),
        ({"remove": {"zones": ["yard"]}}, "rule 'lurks' is for zone 'yard' alone: remove or change it as well"),
        ({"add": {"rules": [{"id": "x", "kind": "zone", "zone": "yrd"}]}},
         "rules of gate: rules.x.zone: no stream has a zone 'yrd'; did you mean 'yard'"),
        ({"add": {"rules": [{"id": "x", "kind": "dwell", "zone": "yard"}]}}, "rules.x: field 'after_s' is missing"),
        ({"add": {"rules": [{"id": "x", "kind": "presence", "class": "persn"}]}}, "there is no class 'persn'"),
        ({"add": {"rules": [{"id": "x", "kind": "presence", "active": "night"}]}}, "there is no schedule 'night'"),
        ({"add": {"zones": {"bow": [[0, 0], [1, 1], [1, 0], [0, 1]]}}}, "its border crosses itself"),
        ({"add": {"lines": {"edge": [[0, 0], [0, 1]]}}}, "lies on the left edge"),
        ({"add": {"zones": {"far": [[0, 0], [2, 0], [1, 1]]}}}, "zones.far"),
        ({"add": {"zones": [YARD]}}, "zones must be {NAME: POINTS}"),
    ],
)  # fmt: skip
def test_what_is_refused(running: Pipeline, edit: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edit_rules(running, "gate", **edit)
    assert message in str(caught.value)


def test_no_such_stream_and_no_place_for_rules(running: Pipeline) -> None:
    with pytest.raises(ConfigError, match="there is no stream 'gat'; did you mean 'gate'"):
        edit_rules(running, "gat", remove={"rules": ["lurks"]})
    bare = build.Pipeline(
        [{"id": "big", "type": "detect", "model": "big"}],
        models={"big": {"path": "yolo11n"}},
        streams={"gate": "g.mp4"},
    )
    with pytest.raises(ConfigError, match="no place for rules: begin it with `rules: \\[\\]`"):
        edit_rules(bare, "gate", add={"zones": {"yard": YARD}})


def test_without_a_tracker_only_what_does_without_one() -> None:
    blind = build.Pipeline(
        [{"id": "big", "type": "detect", "model": "big"}],
        models={"big": {"path": "yolo11n"}},
        streams={"gate": "gate.mp4"},
        rules=[],
    )
    assert [rule.kind for rule in edit_rules(blind, "gate", add={"zones": {"yard": YARD}}).rules] == ["presence"]
    with pytest.raises(ConfigError, match="add a stage of type track"):
        edit_rules(blind, "gate", add={"lines": {"door": DOOR}})
