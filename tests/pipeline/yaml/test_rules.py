"""Rules as they are written: which hold where, and every mistake at its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from vidpipe import Pipeline
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline import spec
from vidpipe.pipeline.yaml.load import load
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RuleSpec, SpanSpec

STAGES = """classes: {person: person, car: car}
models: {all: {path: all.onnx, family: ssd, names: [person, car]}}
stages: [{id: track, type: track}, {id: all, type: detect, model: all}]
"""
UNTRACKED = STAGES.replace("{id: track, type: track}, ", "")
SQUARE = "[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]"


def pipeline(folder: Path, text: str, stages: str = STAGES, **options: object) -> spec.Pipeline:
    (folder / "all.onnx").touch()
    file = folder / "p.yaml"
    file.write_text(stages + text)
    return load(file, **options)  # type: ignore[arg-type]


def of(loaded: spec.Pipeline, stream: str) -> dict[str, RuleSpec]:
    config = loaded.streams[stream].configs.get(RULES)
    return {} if config is None else {rule.id: rule for rule in config.rules}  # type: ignore[attr-defined]


def test_a_zone_or_line_without_a_rule_of_its_own_has_the_obvious_one(tmp_path: Path) -> None:
    loaded = pipeline(
        tmp_path, f"streams: {{a: {{url: x, zones: {{yard: {SQUARE}}}, lines: {{door: [[0, 1], [1, 0]]}}}}}}"
    )
    assert {id: (rule.kind, rule.places) for id, rule in of(loaded, "a").items()} == {
        "yard": ("zone", ["yard"]),
        "door": ("line", ["door"]),
    }
    assert [placed.id for placed in loaded.transforms] == [RULES]


def test_a_zone_that_a_rule_names_has_that_one_alone(tmp_path: Path) -> None:
    text = f"""streams: {{a: {{url: x, zones: {{yard: {SQUARE}, gate: {SQUARE}}}}}}}
rules: [{{id: long, kind: dwell, zone: yard, after_s: 9}}]"""
    assert set(of(pipeline(tmp_path, text), "a")) == {"long", "gate"}


def test_the_same_name_on_several_cameras_is_one_zone_for_rules(tmp_path: Path) -> None:
    text = f"""streams:
  a: {{url: x, zones: {{yard: {SQUARE}}}}}
  b: {{url: y, zones: {{yard: {SQUARE}, gate: {SQUARE}}}}}
  c: {{url: z}}
rules:
  - {{id: full, kind: occupancy, zone: [yard, gate], at_least: 3}}
  - {{id: only-b, kind: presence, zone: yard, streams: [b]}}
  - {{id: picture, kind: absence, for_s: 60}}"""
    loaded = pipeline(tmp_path, text)
    assert {stream: {id: rule.places for id, rule in of(loaded, stream).items()} for stream in "abc"} == {
        "a": {"full": ["yard"], "picture": None},
        "b": {"full": ["yard", "gate"], "only-b": ["yard"], "picture": None},
        "c": {"picture": None},
    }


def test_rules_of_a_configuration_stand_in_place_of_the_pipelines(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("streams: {a: {url: x}}\nrules: [{id: theirs, kind: presence}]")
    loaded = pipeline(tmp_path, "rules: [{id: ours, kind: presence}]", config=config)
    assert set(of(loaded, "a")) == {"theirs"}


def test_without_a_tracker_zones_tell_whether_somebody_is_there(tmp_path: Path) -> None:
    """Zones were there before rules, for scores alone: a pipeline that has them goes on as it is."""
    loaded = pipeline(tmp_path, f"streams: {{a: {{url: x, zones: {{yard: {SQUARE}}}}}}}", UNTRACKED)
    assert of(loaded, "a")["yard"].kind == "presence"


def test_a_pipeline_without_zones_lines_and_rules_has_no_transform_more(tmp_path: Path) -> None:
    assert pipeline(tmp_path, "streams: {a: {url: x}}").transforms == ()


def test_the_same_in_python(tmp_path: Path) -> None:
    (tmp_path / "all.onnx").touch()
    loaded = Pipeline(
        [{"id": "track", "type": "track"}, {"id": "all", "type": "detect", "model": "all"}],
        classes={"person": "person"},
        models={"all": {"path": str(tmp_path / "all.onnx"), "family": "ssd", "names": ["person"]}},
        streams={"a": {"url": "x", "zones": {"yard": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}}},
        rules=[{"id": "long", "kind": "dwell", "zone": "yard", "class": "person", "after_s": 30}],
    )
    assert of(loaded, "a")["long"].classes == "person"


ZONES = "streams:\n  a:\n    url: x\n    zones:\n      yard: {}"
LINES = "streams:\n  a:\n    url: x\n    lines:\n      door: {}"
RULE = "streams: {a: {url: x, zones: {yard: " + SQUARE + "}, lines: {door: [[0, 1], [1, 0]]}}}\nrules:\n  - "
SCHEDULE = "rules: []\nschedules:\n  night:\n    - "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            ZONES.format("[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]"),
            "8: streams.a.zones.yard: its border crosses itself: side 1, from [0.1, 0.1], and side 3, from [0.9, 0.1]; "
            "write the corners in the order in which one walks around it",
        ),
        (ZONES.format("[[0.1, 0.1], [0.9, 0.9]]"), "8: streams.a.zones.yard: must hold at least 3, not 2"),
        (ZONES.format("[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]"), "8: streams.a.zones.yard: has no area: nothing can be"),
        (
            ZONES.format("[[0.1, 0.1], [1.2, 0.5], [0.9, 0.9]]"),
            "8: streams.a.zones.yard.1.0: must be at most 1, not 1.2",
        ),
        (LINES.format("[[0.1, 0.1]]"), "8: streams.a.lines.door: must hold at least 2, not 1"),
        (LINES.format("[[0.1, 0.1], [0.1, 0.1]]"), "8: streams.a.lines.door: is a single point: nothing can cross it"),
        (
            LINES.format("[[0.1, 1], [0.9, 1]]"),
            "8: streams.a.lines.door: lies on the lower edge of the picture, beyond which nothing is seen: move it",
        ),
        (
            LINES.format("[[0.1, 0.1], [0.2, 0.1]]\n    mask: [[[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]]"),
            "8: streams.a.lines.door: lies in parts of the picture that no stage sees (mask, regions): nobody crosses",
        ),
        (
            RULE + "{id: r, kind: presence, class: persn}",
            "6: rules.r.class: there is no class 'persn'; did you mean 'person'?",
        ),
        (
            RULE + "{id: r, kind: dwell, zone: yord, after_s: 3}",
            "6: rules.r.zone: no stream has a zone 'yord'; did you mean 'yard'?",
        ),
        (RULE + "{id: r, kind: line, line: gate}", "6: rules.r.line: no stream has a line 'gate'; there is door"),
        (
            RULE + "{id: r, kind: zone, zone: yard, streams: [b]}",
            "6: rules.r.streams: there is no stream 'b'; there is a",
        ),
        (
            RULE + "{id: r, kind: presence, active: nite}\nschedules: {night: [{from: '22:00', to: '06:00'}]}",
            "6: rules.r.active: there is no schedule 'nite'; did you mean 'night'?",
        ),
        (
            RULE + "{id: r, kind: presence, active: night}",
            "6: rules.r.active: there is no schedule 'night': write it under `schedules`",
        ),
        (RULE + "{id: r, kind: dwell}", "6: rules.r: field 'after_s' is missing: a rule of kind dwell needs it"),
        (
            RULE + "{id: r, kind: presence, at_least: 3}",
            "6: rules.r: 'at_least' means nothing to a rule of kind presence: leave it out",
        ),
        (RULE + "{id: r, kind: lurk}", "6: rules.r.kind: must be 'zone', 'dwell', 'occupancy', 'presence', 'absence'"),
        (
            RULE + "{id: r, kind: presence}\n  - {id: r, kind: presence}",
            "7: rules.r: another rule has the id 'r' already: ",
        ),
        (
            RULE + "{id: r, kind: line, directions: [in, in]}",
            "6: rules.r: directions: the two ways over a line need two",
        ),
        (SCHEDULE + "{from: '22:00'}", "7: schedules.night.0: field 'to' is missing"),
        (SCHEDULE + "{from: '22:00', to: '22:00'}", "7: schedules.night.0: begins and ends at the same minute"),
        (SCHEDULE + "{from: '25:00', to: '22:00'}", "7: schedules.night.0.from: must be of the form"),
        (
            SCHEDULE + "{from: '22:00', to: '23:00', timezone: Mars/Base}",
            "7: schedules.night.0.timezone: there is no time zone 'Mars/Base': write it as Europe/Berlin, or UTC",
        ),
        (
            "streams: {a: {url: x}}\nrules:\n  - {id: r, kind: zone}",
            "6: rules.r: a rule of kind zone, but no stream has a",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        pipeline(tmp_path, text)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{tmp_path}/p.yaml:{says}")


@pytest.mark.parametrize("kind", ["zone", "dwell", "line"])
def test_what_needs_a_tracker_says_so(tmp_path: Path, kind: str) -> None:
    more = ", after_s: 3" if kind == "dwell" else ""
    text = (
        f"streams: {{a: {{url: x, zones: {{yard: {SQUARE}}}}}}}\nrules: [{{id: r, kind: {kind}, streams: [a]{more}}}]"
    )
    with pytest.raises(
        ConfigError, match=f"a rule of kind {kind}, but no stage tells who is who .* add a stage of type"
    ):
        pipeline(tmp_path, text, UNTRACKED)


def test_a_line_needs_a_tracker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"streams.a.lines.door: is a line, but no stage tells who is who"):
        pipeline(tmp_path, "streams: {a: {url: x, lines: {door: [[0, 1], [1, 0]]}}}", UNTRACKED)


def test_the_page_of_events_shows_rules_that_hold() -> None:
    page = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
    blocks = [yaml.load(block, yaml.BaseLoader) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 3
    for block in blocks:
        for rule in block["rules"]:
            RuleSpec.model_validate(rule)
        for spans in block.get("schedules", {}).values():
            assert all(SpanSpec.model_validate(each) for each in spans)


def test_an_id_that_rules_have_is_refused_where_there_are_rules(tmp_path: Path) -> None:
    stages = STAGES.replace("id: track", "id: rules")
    pipeline(tmp_path, "streams: {a: {url: x}}", stages)
    with pytest.raises(ConfigError, match="take another id"):
        pipeline(tmp_path, "streams: {a: {url: x}}\nrules: [{id: r, kind: presence}]", stages)
