"""Each sample runs by its own command and does what its README says."""

import json

import av
import pytest

from tests.samples.conftest import SAMPLES
from vidpipe.pipeline.yaml.load import load

FPS, WIDTH, HEIGHT = 10, 768, 576  # of the generated street
EVERYWHERE = "transforms.region.polygon=[[0, 0], [1, 0], [1, 1], [0, 1]]"


@pytest.mark.long
def test_demo(run_sample):
    ran = run_sample("demo", "15", "--engine", "inline")

    lines, stream = ran.lines(), ran.report()["streams"]["street"]
    assert [line["seq"] for line in lines] == list(range(15 * FPS))
    assert stream["frames_in"] == sum(stream["by"].values()) == len(lines)
    assert set(stream["by"]) == {"difference", "little", "big"}
    assert any(line["detections"] for line in lines)
    with av.open(str(ran.folder / "output" / "drawn.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(lines)


def test_the_demo_to_copy_is_the_demo():
    copy, original = load(SAMPLES / "demo" / "cascade.yaml"), load("demo")

    assert (copy.stages, copy.models, copy.audit) == (original.stages, original.models, original.audit)
    assert copy.classes.mapping == original.classes.mapping


@pytest.mark.long
def test_custom_transform(run_sample):
    """Of the answers for the whole picture, those boxes are left that stand in the region, on audited frames too."""
    options = ("15", "--engine", "inline", "--set", "audit.rate=0.2")
    crossing = run_sample("custom-transform", *options).lines()
    everywhere = run_sample("custom-transform", *options, "--set", EVERYWHERE).lines()

    kept = [[box for box in line["detections"] if _crosses(box)] for line in everywhere]
    assert [line["detections"] for line in crossing] == kept
    assert [line["by"] for line in crossing] == [line["by"] for line in everywhere]
    assert any(kept)
    assert kept != [line["detections"] for line in everywhere]
    assert any(line["reason"] == "audit of difference" for line in crossing)


def _crosses(box):
    left, _, right, bottom = box["xyxy"]
    inside = round(0.3 * WIDTH) <= round((left + right) / 2) <= round(0.7 * WIDTH)
    return inside and round(0.5 * HEIGHT) <= round(bottom)


@pytest.mark.long
@pytest.mark.ray
def test_actor_per_stage(run_sample):
    """An actor for each stage costs links, and changes no answer."""
    ran = run_sample("actor-per-stage", "5")

    assert [line["detections"] for line in ran.lines("isolated")] == [line["detections"] for line in ran.lines("fused")]
    assert [line["by"] for line in ran.lines("isolated")] == [line["by"] for line in ran.lines("fused")]
    links = ["device-device:difference", "device:difference-device:little", "device:little-device:big"]
    assert sorted(ran.report("isolated")["links"]) == sorted(links)
    assert ran.report("fused")["links"] == {}
    for segment in ("device:difference", "device:little", "device:big"):
        assert segment in ran.printed


@pytest.mark.long
def test_recurring_scene(run_sample):
    """From the second round on frames are known; what the cache says is what the detector said."""
    ran = run_sample("recurring-scene", "4", "--engine", "inline")

    lines, stream = ran.lines(), ran.report()["streams"]["street"]
    assert len(lines) == 4 * 4 * FPS
    assert stream["how"]["reused"] > len(lines) / 4
    assert all(line["as_of"] == line["seq"] for line in lines)
    once, again = lines[: 4 * FPS], lines[-4 * FPS :]
    same = [len(a["detections"]) == len(b["detections"]) for a, b in zip(once, again, strict=True)]
    assert sum(same) >= 0.9 * len(same)


@pytest.mark.long
def test_describe_objects(run_sample):
    ran = run_sample("describe-objects", "20", "--engine", "inline")

    boxes = [box for line in ran.lines() for box in line["detections"]]
    assert boxes
    assert min(box["identity"] for box in boxes) >= 1
    assert ran.report()["models"]["looks"]["calls"] < len(boxes)


@pytest.mark.long
def test_count_at_a_door(run_sample):
    """The results tell again what the run has told; a stricter rule tells something else."""
    ran = run_sample("count-at-a-door", "12", "--engine", "inline")

    events = (ran.folder / "output" / "events.jsonl").read_text()
    assert events == (ran.folder / "output" / "again.jsonl").read_text()
    assert '"kind": "line.cross"' in events
    assert "street: door (line door), lurks (dwell mat), crowd (occupancy mat)" in ran.printed
    assert " the same, " in ran.printed.splitlines()[-1]


@pytest.mark.long
def test_own_sink(run_sample):
    """It gets the events that the file has as well, each once, and all are accounted for."""
    ran = run_sample("own-sink", "6", "--engine", "inline")

    lines = (ran.folder / "output" / "events.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["kind"] == "presence"]
    horn = (ran.folder / "output" / "horn.txt").read_text().splitlines()
    assert horn == [f"{event['phase']} presence mat" for event in events] != []
    counts = ran.report()["sinks"]["Horn"]
    assert (counts["made"], counts["delivered"], counts["waiting"]) == (len(events), len(events), 0)
    assert "Horn  delivered" in ran.printed


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_extensions(run_sample, engine):
    """Each class of the user's does its part."""
    ran = run_sample("extensions", "--engine", engine)

    report, lines = ran.report(), ran.lines()
    assert [line["seq"] for line in lines] == list(range(120))
    assert all(len(line["detections"]) == 1 for line in lines)
    assert {"still", "finds"} <= set(report["streams"]["ball"]["by"])
    assert report["transforms"]["halves"]["asked"] == 120
    events = (ran.folder / "output" / "events.txt").read_text().splitlines()
    assert events
    assert all(" side " in event for event in events)
    assert [change["by"] for change in report["streams"]["ball"]["settings"]] in ([], ["tuner"])


@pytest.mark.long
def test_notebook(people, tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(SAMPLES / "notebook" / "watch.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "(120, 0)"
