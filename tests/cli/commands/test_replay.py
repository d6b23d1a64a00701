"""`vidpipe run --events` and `vidpipe replay`: the same events, and what other rules would have told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import crowd
from vidpipe.cli.commands.replay import ReplayOptions, run_replay
from vidpipe.cli.commands.run import RunOptions, run_pipeline
from vidpipe.core.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With `results.jsonl` and `events.jsonl` of a run."""
    monkeypatch.chdir(crowd.write(tmp_path, monkeypatch))
    run()
    return tmp_path


def run(events: str = "events.jsonl") -> int:
    options = RunOptions("pipeline.yaml", engine="inline", results=Path("results.jsonl"), events=Path(events))
    return run_pipeline(options)


def replay(**options: str) -> int:
    files = {"results": "results.jsonl", **options}
    return run_replay(ReplayOptions("pipeline.yaml", **{name: Path(path) for name, path in files.items()}))


def test_the_same_rules_give_the_same_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(events="again.jsonl", against="events.jsonl") == 0
    assert (folder / "again.jsonl").read_bytes() == (folder / "events.jsonl").read_bytes()
    count = len((folder / "events.jsonl").read_text().splitlines())
    assert f"{count} the same, 0 gone (-), 0 new (+)" in capsys.readouterr().out


def test_streams_without_an_address_in_the_configuration_are_those_of_the_results(folder: Path) -> None:
    """As they were given by `--source` then."""
    text = (folder / "pipeline.yaml").read_text().replace('    url: "crowd:Dark"\n', "")
    (folder / "pipeline.yaml").write_text(text)
    assert replay(events="again.jsonl") == 0
    assert (folder / "again.jsonl").read_bytes() == (folder / "events.jsonl").read_bytes()


def test_a_changed_rule_says_what_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").write_text("rules: [{id: stays, kind: dwell, zone: lawn, after_s: 2, class: person}]")
    capsys.readouterr()
    assert replay(config="rules.yaml", against="events.jsonl", events="again.jsonl") == 0
    said = capsys.readouterr().out
    before = (folder / "events.jsonl").read_text().splitlines()
    now = (folder / "again.jsonl").read_text().splitlines()
    same = len(set(before) & set(now))
    assert f"{same} the same, {len(before) - same} gone (-), {len(now) - same} new (+)" in said
    assert sum(line.startswith("- yard  ") for line in said.splitlines()) == len(before) - same
    assert sum(line.startswith("+ yard  ") for line in said.splitlines()) == len(now) - same > 0


def test_events_of_an_earlier_run_are_kept(folder: Path) -> None:
    earlier = (folder / "events.jsonl").read_bytes()
    run()
    assert (folder / "events.jsonl.1").read_bytes() == earlier
    assert replay(events="events.jsonl") == 0
    assert (folder / "events.jsonl.2").is_file()


@pytest.mark.parametrize("events", ["results.jsonl", "./pipeline.yaml"])
def test_events_are_no_input_and_no_other_output(folder: Path, events: str) -> None:
    with pytest.raises(ConfigError, match="are the same file; write to another one"):
        run(events)
    with pytest.raises(ConfigError, match="are the same file; write to another one"):
        replay(events=events)


def test_a_sink_of_the_pipeline_tells_events_too(folder: Path) -> None:
    with (folder / "pipeline.yaml").open("a") as file:
        file.write("sinks: [{type: events, path: own.jsonl}]\n")
    run()
    assert (folder / "own.jsonl").read_bytes() == (folder / "events.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=r"own\.jsonl are the same file"):
        run("own.jsonl")


def test_what_a_killed_run_has_left_is_replayed_up_to_its_last_whole_line(folder: Path) -> None:
    text = (folder / "results.jsonl").read_bytes()
    (folder / "results.jsonl").write_bytes(text[:-30])
    assert replay(events="again.jsonl") == 0
    assert (folder / "events.jsonl").read_bytes().startswith((folder / "again.jsonl").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: lines[1:], "the first line does not say `vidpipe.results/1`"),
        (lambda lines: [lines[0], "{\n", *lines[1:]], "line 2 is no JSON"),
        (
            lambda lines: [lines[0], json.dumps({"stream": "yard"}) + "\n"],
            "line 2 is no result: KeyError: 'detections'",
        ),
    ],
)
def test_what_is_no_results_file_is_refused(folder: Path, spoil, says: str) -> None:
    lines = (folder / "results.jsonl").read_text().splitlines(keepends=True)
    (folder / "results.jsonl").write_text("".join(spoil(lines)))
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        replay()


def test_a_file_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"results nowhere.jsonl cannot be read"):
        replay(results="nowhere.jsonl")
    with pytest.raises(ConfigError, match=r"events nowhere.jsonl cannot be read"):
        replay(against="nowhere.jsonl")
