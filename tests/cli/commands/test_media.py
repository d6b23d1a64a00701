"""`--media`: what a run makes and says of it, and what `check`, `events` and `replay` know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import clips, crowd
from vidpipe.cli.commands.check import check
from vidpipe.cli.commands.events import Filter, show_events
from vidpipe.cli.commands.replay import ReplayOptions, run_replay
from vidpipe.cli.commands.run import RunOptions, run_pipeline
from vidpipe.core.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(crowd.write(tmp_path, monkeypatch))
    return tmp_path


def run(**options: object) -> int:
    files = {"results": Path("results.jsonl"), "events": Path("events.jsonl"), "store": Path("s.db")}
    return run_pipeline(RunOptions("pipeline.yaml", engine="inline", **files, **options))  # type: ignore[arg-type]


def test_events_name_pictures_that_are_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source of one's own has no packets: pictures alone, and a word about it."""
    assert run(media=Path("media"), report=Path("report.json")) == 0
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert any(event["track_id"] is not None and event["snapshot"] for event in events)
    assert all(Path(event["snapshot"]).is_file() for event in events if event["snapshot"])
    assert {event["clip"] for event in events} == {None}
    told = json.loads((folder / "report.json").read_text())["media"]["yard"]["pictures"]
    assert told["made"] == told["written"] + sum(told["dropped"].values())
    assert f"note: yard: {told['written']} pictures written to media" in " ".join(capsys.readouterr().err.split())
    show_events(Filter(store=folder / "s.db"), "table", None, unended=False)
    shown = capsys.readouterr().out
    assert next(event["snapshot"] for event in reversed(events) if event["snapshot"]) in shown


def test_a_replay_does_not_miss_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(media=Path("media"))
    assert run_replay(ReplayOptions("pipeline.yaml", Path("results.jsonl"), against=Path("events.jsonl"))) == 0
    assert " 0 gone (-), 0 new (+)" in capsys.readouterr().out


def test_check_says_what_is_made_and_what_is_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = clips.encode(folder / "clip.mp4", frames=20)
    sources = {"masked": str(path), "plain": str(path), "never": str(path)}
    masked = "streams.masked.mask=[[[0,0],[1,0],[1,0.5]]]"
    check("pipeline.yaml", None, sources, ["media.folder=media", masked, "streams.never.clips=false"])
    lines = capsys.readouterr().out.splitlines()
    assert "media: pictures and clips of * in media" in lines
    assert "never: no clips: clips: false" in lines
    said = [line for line in lines if "no clips" in line]
    assert [line.split(":")[0] for line in said] == ["yard", "masked", "never"]
    assert "they would show what its mask and regions hide" in said[1]
    assert not (folder / "media").exists()
    check("pipeline.yaml", None, sources, ["media.folder=media", masked, "streams.masked.clips=true"])
    assert "masked: no clips" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("media.pre=3", "unknown field 'pre'"),
        ("media.max_s=5", "max_s 5 must be at least a second more than pre_s and post_s together"),
        ("media.pictures=all", "must be 'crop', 'frame' or 'none'"),
        ("streams.yard.record_url=rtsp://ann:s3cret@10.0.0.5/x", "only a camera has another address"),
        ("streams.yard.record_url=better.mp4", "must be a camera's address"),
    ],
)
def test_mistakes(folder: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check("pipeline.yaml", None, {}, ["media.folder=media", setting])
    assert said in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(folder: Path) -> None:
    (folder / "taken").write_text("")
    with pytest.raises(ConfigError, match="media folder taken cannot be made: taken is a file"):
        run(media=Path("taken"))
    assert not (folder / "results.jsonl").exists()


def test_the_option_goes_before_the_file(folder: Path) -> None:
    with (folder / "pipeline.yaml").open("a") as file:
        file.write("media: {folder: one, kinds: [presence]}\n")
    run(media=Path("other"))
    assert (folder / "other").is_dir()
    assert not (folder / "one").exists()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert {event["kind"] for event in events if event["snapshot"]} == {"presence"}
