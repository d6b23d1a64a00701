"""`vidpipe teach`: what it writes and says, and what it says of answers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.teaching import street
from vidpipe.cli.commands.teach import TeachOptions, run_review, run_teach
from vidpipe.core.errors import ConfigError
from vidpipe.results.replay import ResultsReplay
from vidpipe.teaching.examples import append_answer
from vidpipe.transforms.learnt.classifier import EventClassifier

MEETS = [bool(number % 2) for number in range(24)]


def options(folder: Path, **more: object) -> TeachOptions:
    given = {
        "examples": [folder / "examples.csv"],
        "results": [folder / "monday.jsonl"],
        "features": None,
        "events": [],
    }
    given |= {"out": folder / "meets.event", "window_s": 2.0, **more}
    return TeachOptions("meets", **given)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    street.write(tmp_path / "monday.jsonl", MEETS)
    for example in street.examples("", MEETS):
        append_answer(tmp_path / "examples.csv", example)
    return tmp_path


def test_it_writes_an_event_and_says_what_it_is_worth(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_teach(options(folder)) == 0
    said = capsys.readouterr()
    assert "F1 of events 1.00 (95 %: 0.68 to 1.00)" in said.out
    assert "warning: only 12 examples say yes: 15 of each are a beginning" in said.err
    assert EventClassifier.read(folder / "meets.event").taught["yes"] == 12


def test_its_rule_tells_events_of_the_same_results(folder: Path) -> None:
    run_teach(options(folder))
    from vidpipe.transforms.rules.spec import RulesConfig

    rule = {"id": "meets", "kind": "learnt", "event": str(folder / "meets.event")}
    rules = RulesConfig.model_validate({"rules": [rule]}).model_dump(mode="json")
    lines = (folder / "monday.jsonl").read_text().splitlines()
    head = json.loads(lines[0])
    head["streams"] = {street.STREAM: {"stages": {"rules": rules}}}
    (folder / "again.jsonl").write_text("\n".join([json.dumps(head), *lines[1:]]) + "\n")
    told = [event for event in ResultsReplay(folder / "again.jsonl").events() if event.kind == "learnt"]
    assert len(told) == 2 * sum(MEETS)


def test_answers_are_kept_and_the_rate_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = folder / "events.jsonl"
    asked = [
        {"kind": "learnt.review", "event": "meets", "stream": "yard", "started_pts": 1000.0 + 10 * number,
         "ended_pts": 1002.0 + 10 * number, "said": number == 0, "clip": "clip.mp4", "snapshot": None}
        for number in range(4)
    ]  # fmt: skip
    events.write_text("".join(json.dumps(each) + "\n" for each in asked) + '{"kind": "lear')
    monkeypatch.setattr("sys.stdin", io.StringIO("what\ny\ny\nn\ns\n"))
    assert run_review(options(folder, events=[events])) == 0
    said = capsys.readouterr().out
    assert "4 of 4: yard, 1030.0 to 1032.0 s, not told, clip.mp4" in said
    assert "by your answers 1 of 2 quiet windows had it all the same: 0.500 (95 %: 0.095 to 0.905)" in said
    assert "by your answers 0 of 1 told events were none" in said
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    run_review(options(folder, events=[events]))
    assert "1 of 1: yard, 1030.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"results": []}, "--results is missing"),
        ({"out": Path("/nowhere/meets.event")}, "--out /nowhere/meets.event cannot be written"),
        ({"examples": [Path("none.csv")]}, "examples none.csv cannot be read: No such file or directory$"),
        ({"features": "differnce"}, "the results hold no features 'differnce'"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_teach(options(folder, **more))


def test_a_video_in_place_of_a_text_is_refused(folder: Path) -> None:
    video = folder / "monday.mp4"
    video.write_bytes(b"\x82\xff")
    for more, what in ({"examples": [video]}, "examples"), ({"results": [video]}, "results"):
        with pytest.raises(ConfigError, match=f"^{what} {video} cannot be read: it is no text$"):
            run_teach(options(folder, **more))


def test_what_is_read_is_not_written_over(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is read as well"):
        run_teach(options(folder, out=folder / "examples.csv"))
    with pytest.raises(ConfigError, match="--review needs --events"):
        run_review(options(folder))
