"""A run that goes well: what it leaves, and how sources and settings are given.

Results and report are a contract (docs/results.md): other programs read them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

import vidpipe
from tests import clips
from tests.cli.conftest import PAIR, RAY, READ
from tests.lines import head
from tests.models.networks import constant_network, ssd_table
from tests.waiting import until

LINE = [
    *("stream", "seq", "pts", "captured_at", "published_at", "how", "by", "as_of", "knobs", "model", "reason"),
    "size",
    "detections",
]
BOX = ["xyxy", "score", "class", "track_id"]
COUNTED = {"stages", "transforms", "models", "links", "deaths", "shadows"}
REPORT = {"finished", "errors", "run", "streams", "wall_s", "cpu_s", "fps", "latency_ms", "sinks", "media", *COUNTED}
STREAM = {"frames_in", "how", "by", "dropped", "late", "video_s", "audits", "accuracy"}
RUN = ["version", "pipeline", "start", "settings", "models", "streams"]
ASKED = {"floor", "want", "held", "sure"}
FOUND = {"f1", "low", "high", "looks", "looked", "looked_late", "unmeasured"}
AUDIT = {"audited", "missed", "false", "rate", "low", "high"}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_the_contract_of_results_and_report(shell, footage, engine):
    """Three tiers, two models, audits that find a person missed: everything that a report can say is in it."""
    vehicle, person = (20, 20, 16, 16, 0, 0.9), (50, 50, 8, 16, 1, 0.8)
    constant_network(shell.folder / "little.onnx", {"out": ssd_table([vehicle])})
    constant_network(shell.folder / "big.onnx", {"out": ssd_table([vehicle, person])})
    clips.encode(shell.folder / "other.avi", codec="mpeg4", frames=25, size=(192, 128))

    ended = shell.run(PAIR, footage / "good.mp4", "--source", "other.avi", engine=engine)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("pair: 65 frames ")
    assert "good: boxes F1 0." in ended.out

    lines, report = shell.lines, shell.report
    assert all([key for key in line if key != "audits"] == LINE for line in lines)
    assert all(list(box) == BOX for line in lines for box in line["detections"])
    assert {box["class"] for line in lines for box in line["detections"]} == {"vehicle", "person"}
    assert all(line["how"] == ("reused" if line["by"] == "difference" else "measured") for line in lines)
    assert all(line["as_of"] <= line["seq"] for line in lines)
    assert {line["model"] for line in lines if line["by"] != "difference"} == {"little", "big"}
    measured = {(line["stream"], line["seq"]): line["model"] for line in lines if line["how"] == "measured"}
    assert all(line["model"] == measured[line["stream"], line["as_of"]] for line in lines)  # also of one that is reused
    published = [line["published_at"] for line in lines]
    assert published == sorted(published)

    assert set(report) == REPORT
    assert (report["finished"], report["errors"]) == (True, [])
    assert list(report["run"]) == RUN
    first = head(shell.folder / "results.jsonl")
    assert first == {"schema": "vidpipe.results/1", **report["run"]}
    assert (first["version"], first["pipeline"]) == (vidpipe.__version__, "pair")
    assert datetime.fromisoformat(first["start"]).timestamp() == pytest.approx(published[0], abs=60)
    assert first["settings"]["stages"]["little"]["accept"] == 0.5
    networks = {name: shell.folder / f"{name}.onnx" for name in ("little", "big")}
    assert first["models"] == {
        name: {"path": file.name, "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}}
        for name, file in networks.items()
    }
    assert first["streams"]["good"] == {"source": str(footage / "good.mp4"), "size": [160, 120]}
    assert {tuple(line["size"]) for line in lines if line["stream"] == "other"} == {(192, 128)}
    assert list(report["streams"]) == ["good", "other"]
    for name, frames in (("good", 40), ("other", 25)):
        stream, own = report["streams"][name], [line for line in lines if line["stream"] == name]
        assert [line["seq"] for line in own] == list(range(frames))
        assert set(stream) >= STREAM
        assert stream["frames_in"] == frames == sum(stream["by"].values()) == sum(stream["how"].values())
        assert stream["by"] == Counter(line["by"] for line in own)
        assert stream["how"] == Counter(line["how"] for line in own)
        assert stream["video_s"] == pytest.approx(frames / 25, abs=1e-3)
        assert stream["dropped"] == {}
        audit = stream["audits"]["little"]
        assert set(audit) == AUDIT
        assert audit["audited"] == audit["missed"] > 0  # it never sees the person
        assert 0 < audit["low"] < audit["rate"] == 1 == audit["high"]
        accuracy = stream["accuracy"]
        assert set(accuracy) == ASKED | FOUND | {"by_stage", "by_epoch"}
        assert set(accuracy["by_epoch"]["0"]) == FOUND
        assert (accuracy["floor"], accuracy["want"], accuracy["held"]) == (None, "boxes", None)
        assert stream["tuning"] == {"cpu_s": 0.0, "looks": 0}
        assert accuracy["low"] <= accuracy["f1"] <= accuracy["high"]
        assert accuracy["looks"] == sum(each["audited"] for each in stream["audits"].values())
        assert accuracy["looked"] == stream["by"]["big"]
        # It says vehicle, and there are vehicle and person.
        assert accuracy["by_stage"]["little"]["f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert sum(stream["by"]["difference"] for stream in report["streams"].values()) > 0

    stages = report["stages"]
    assert list(stages) == ["difference", "little", "big"]
    assert stages["difference"]["asked"] == 65
    assert stages["big"]["asked"] == stages["big"]["answered"]
    for name, stage in stages.items():
        assert stage["answered"] == sum(stream["by"].get(name, 0) for stream in report["streams"].values())
        assert stage["wall_ms"] > 0
        assert stage["cpu_ms"] > 0
    for name in ("little", "big"):
        assert report["models"][name]["calls"] == stages[name]["asked"]
        assert report["models"][name]["wall_ms"] > 0
    assert set(report["links"]) == {"device-edge", "edge-cloud"}
    assert report["links"]["edge-cloud"]["frames"] == stages["big"]["asked"]
    assert report["links"]["edge-cloud"]["bytes"] > 0

    latency = report["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert report["fps"] == pytest.approx(65 / report["wall_s"], rel=0.05)
    assert report["cpu_s"] > 0


@pytest.mark.parametrize(
    ("given", "streams"),
    [
        (["a.mp4"], ["a"]),
        (["gate=a.mp4"], ["gate"]),
        (["gate=a.mp4", "b.avi", "b.avi"], ["gate", "b", "b-2"]),
        (["folder"], ["a", "b"]),
        (["yard=folder"], ["yard-a", "yard-b"]),
        (["folder/*.avi"], ["b"]),
    ],
)
def test_sources(shell, good, given, streams):
    folder = shell.folder / "folder"
    folder.mkdir()
    clips.encode(shell.folder / "b.avi", codec="mpeg4", frames=5)
    for place in (shell.folder, folder):
        (place / "a.mp4").symlink_to(good)
    (folder / "b.avi").symlink_to(shell.folder / "b.avi")
    (folder / "notes.txt").write_text("not a video")
    sources = [argument for source in given[1:] for argument in ("--source", source)]
    assert shell.run(READ, given[0], *sources).status == 0
    assert list(shell.report["streams"]) == streams


def test_settings_from_the_command_line(shell, good):
    pipeline = READ.replace("[{id: read", "[{id: sample, type: sample, fps: 25}, {id: read")
    assert shell.run(pipeline, good, "--set", "stages.sample.fps=5", "--set", "streams.good.end_s=0.8").status == 0
    assert shell.report["streams"]["good"]["by"] == {"read": 4, "sample": 16}


def test_a_configuration_brings_streams_and_links(shell, good):
    shell.write("here.yaml", f"streams: {{gate: {{url: {good}, start_s: 0.4}}}}")
    shell.write("pipeline.yaml", READ)
    ended = shell.vidpipe("run", "pipeline.yaml", "--config", "here.yaml", "--engine", "inline")
    assert ended.status == 0
    assert ended.out.startswith("pipeline: 30 frames ")


def test_drawn_video(shell, good):
    import av

    assert shell.run(READ, good, "--video", "drawn.mp4").status == 0
    with av.open(str(shell.folder / "drawn.mp4")) as drawn:
        assert sum(1 for _ in drawn.decode(video=0)) == 40


def test_results_and_report_on_pipes(shell, good):
    """They have stdout for themselves: what else is said goes to stderr. The device stays where it is."""
    shell.write("pipeline.yaml", READ.replace("mystages:Read", "mystages:Prints"))
    run = ("run", "pipeline.yaml", "--source", good, "--engine", "inline")
    for place in ("-", "/dev/stdout"):
        ended = shell.vidpipe(*run, "--results", place)
        first, *rest = map(json.loads, ended.out.splitlines())
        assert first["schema"] == "vidpipe.results/1"
        assert [line["seq"] for line in rest] == list(range(40))
        assert ended.err.splitlines()[0] == "a word of the stage's own"
        assert "pipeline: 40 frames" in ended.err
        report = json.loads(shell.vidpipe(*run, "--report", place).out)
        assert report["streams"]["good"]["frames_in"] == 40
    assert Path("/dev/stdout").is_symlink()


def test_a_report_replaces_the_one_before(shell, good):
    shell.write("report.json", '{"finished": false}' + "yesterday's" * 1000)
    shell.run(READ, good)
    assert shell.report["streams"]["good"]["frames_in"] == 40
    assert sorted(path.name for path in shell.folder.glob("*report*")) == ["report.json"]


def corrupt(folder: Path) -> Path:
    """The last packets of two groups of pictures overwritten: nothing is predicted from them."""
    return clips.scribble(clips.encode(folder / "whole.mp4", frames=40), folder / "bad.mp4", [11, 23])


def truncated(folder: Path) -> Path:
    return clips.cut(clips.encode(folder / "whole.avi", codec="mpeg4", frames=40), folder / "bad.avi", 0.75)


@pytest.mark.parametrize(
    ("damage", "status", "said", "dropped"),
    [
        (corrupt, 0, "note: bad: 2 damaged pictures", 2),
        (truncated, 1, "vidpipe: stream bad broke off: ended after N of 40 frames: truncated", 0),
    ],
)
def test_damage_is_counted_and_told(shell, damage, status, said, dropped):
    """The good pictures of a damaged file are answered; one that lacks its end has not gone well."""
    ended = shell.run(READ, damage(shell.folder))
    report, lines = shell.report, shell.lines
    said = said.replace(" N ", f" {len(lines)} ")
    assert (ended.status, ended.line) == (status, said)
    assert report["errors"] == ([said.removeprefix("vidpipe: ")] if status else [])
    stream = report["streams"]["bad"]
    assert [note for note in stream["notes"] if said.endswith(note)]
    assert sum(stream["dropped"].values()) == dropped
    assert all(reason.startswith("damaged: ") for reason in stream["dropped"])
    assert stream["how"]["measured"] == stream["frames_in"] - dropped > 5
    assert [line["seq"] for line in lines] == list(range(stream["frames_in"]))
    measured = [line for line in lines if line["how"] == "measured"]
    assert all(line["detections"][0]["xyxy"][0] == line["seq"] for line in measured)  # the picture's own number


def test_a_beginning_behind_the_end_is_told(shell, good):
    ended = shell.run(READ, good, "--set", "streams.good.start_s=99")
    assert (ended.status, ended.error) == (1, "stream good broke off: no picture lies at or behind start_s 99")
    assert shell.lines == []


def test_earlier_results_are_kept_and_said_to_be(shell, good):
    shell.write("results.jsonl", "yesterday's\n")
    ended = shell.run(READ, good)
    assert (ended.status, ended.line) == (0, "note: earlier results of results.jsonl are now results.jsonl.1")
    assert (shell.folder / "results.jsonl.1").read_text() == "yesterday's\n"
    assert len(shell.lines) == 40


def test_no_credential_is_in_results_or_report(shell, good):
    """Of a user's own stage."""
    pipeline = READ.replace("mystages:Read}", "mystages:Keyed, api_key: hunter2, hook: 'https://me:hunter2@there/x'}")
    assert shell.run(pipeline, good).status == 0
    for name in ("results.jsonl", "report.json"):
        assert "hunter2" not in (shell.folder / name).read_text()
    settings = shell.report["run"]["settings"]["stages"]["read"]
    assert (settings["api_key"], settings["hook"]) == ("not shown", "https://there")


def test_a_run_that_is_killed_leaves_a_report(shell, footage):
    """It is written whole, first when the run begins."""
    command = shell.begin(READ.replace("Read", "Slow"), footage / "long.mp4")
    until((shell.folder / "report.json").exists, 60)
    command.process.kill()
    command.end()
    assert shell.report["finished"] is False
    assert list(shell.report["streams"]) == ["long"]
    assert set(shell.report) == REPORT
