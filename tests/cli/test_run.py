"""A run that goes well: what it leaves, and how sources and settings are given.

Results and report are a contract (docs/results.md): other programs read them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests import clips
from tests.cli.conftest import PAIR, RAY, READ
from tests.models.networks import constant_network, ssd_table

LINE = ["stream", "seq", "pts", "captured_at", "published_at", "how", "by", "as_of", "knobs", "reason", "detections"]
BOX = ["xyxy", "score", "class", "track_id"]
REPORT = {"streams", "wall_s", "cpu_s", "fps", "latency_ms", "stages", "models", "links"}
STREAM = {"frames_in", "how", "by", "dropped", "video_s", "audits"}
AUDIT = {"audited", "missed", "false", "rate", "low", "high"}


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

    lines, report = shell.lines, shell.report
    assert all(list(line) == LINE for line in lines)
    assert all(list(box) == BOX for line in lines for box in line["detections"])
    assert {box["class"] for line in lines for box in line["detections"]} == {"vehicle", "person"}
    assert all(line["how"] == ("reused" if line["by"] == "difference" else "measured") for line in lines)
    assert all(line["as_of"] <= line["seq"] for line in lines)
    published = [line["published_at"] for line in lines]
    assert published == sorted(published)

    assert set(report) == REPORT
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
    """`--report /dev/stdout` writes to it and leaves the device where it is."""
    shell.write("pipeline.yaml", READ)
    ended = shell.vidpipe("run", "pipeline.yaml", "--source", good, "--engine", "inline", "--results", "/dev/stdout")
    assert [json.loads(line)["seq"] for line in ended.out.splitlines()[:40]] == list(range(40))
    ended = shell.vidpipe("run", "pipeline.yaml", "--source", good, "--engine", "inline", "--report", "/dev/stdout")
    report, _ = json.JSONDecoder().raw_decode(ended.out)
    assert report["streams"]["good"]["frames_in"] == 40
    assert Path("/dev/stdout").is_symlink()


def test_a_report_replaces_the_one_before(shell, good):
    shell.write("report.json", "yesterday's" * 1000)
    shell.run(READ, good)
    assert shell.report["streams"]["good"]["frames_in"] == 40
    assert sorted(path.name for path in shell.folder.glob("*report*")) == ["report.json"]


def corrupt(folder: Path) -> Path:
    """The last packets of two groups of pictures overwritten: nothing is predicted from them."""
    return clips.scribble(clips.encode(folder / "whole.mp4", frames=40), folder / "bad.mp4", [11, 23])


def truncated(folder: Path) -> Path:
    return clips.cut(clips.encode(folder / "whole.avi", codec="mpeg4", frames=40), folder / "bad.avi", 0.75)


@pytest.mark.parametrize(
    ("damage", "note", "dropped"),
    [
        (corrupt, "2 damaged pictures", 2),
        (truncated, "of 40 frames: truncated", 0),
    ],
)
def test_damage_is_counted_and_noted(shell, damage, note, dropped):
    """The good pictures of a damaged file are answered, and the run has gone well."""
    ended = shell.run(READ, damage(shell.folder))
    assert ended.status == 0
    assert ended.line.startswith("note: bad: ")
    assert ended.line.endswith(note)
    stream, lines = shell.report["streams"]["bad"], shell.lines
    assert sum(stream["dropped"].values()) == dropped
    assert all(reason.startswith("damaged: ") for reason in stream["dropped"])
    assert stream["how"]["measured"] == stream["frames_in"] - dropped > 5
    assert [line["seq"] for line in lines] == list(range(stream["frames_in"]))
    measured = [line for line in lines if line["how"] == "measured"]
    assert all(line["detections"][0]["xyxy"][0] == line["seq"] for line in measured)  # the picture's own number
