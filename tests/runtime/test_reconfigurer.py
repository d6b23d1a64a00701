"""Streams that come, go and change while a run goes on, on both engines. What must hold:

- those that stay go on without a gap; what is removed ends; what changes begins anew and goes on counting;
- a bad configuration is told, and changes nothing;
- an actor that is away meanwhile is told when it is back.
"""

import json
import os
import signal
import threading

import pytest

from tests import clips
from tests.builders import answer
from tests.lines import answers
from tests.runtime.conftest import LIVE_FPS
from tests.waiting import until
from vidpipe.cli.reload import Reload
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Result, Snapshot
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.testing.clock import HandClock

PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: read, type: mystages:Read, on: edge}
late: detour
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("live") / "clip.mp4", frames=300, fps=25)


class Seen:
    """A watcher that says how far each stream has come."""

    def __init__(self):
        self.frames, self.ended = {}, {}

    def started(self, infos):
        pass

    def progressed(self, collector):
        self.frames = {stream: ledger.frames_in for stream, ledger in collector.ledgers.items()}
        self.ended = dict(collector.ended)


@pytest.mark.long
def test_streams_come_go_and_change(runner, live, tmp_path, caplog):
    folder = runner.folder
    frames, some = 3 * live.frames, live.frames // 4
    clip = clips.encode(tmp_path / "clip.mp4", frames=frames, fps=LIVE_FPS)
    (folder / "pipeline.yaml").write_text(PIPELINE)

    def pipeline(**streams):
        config = {"streams": {name: {"url": f"live+file:{clip}"} | more for name, more in streams.items()}}
        (folder / "config.yaml").write_text(json.dumps(config))
        return load(folder / "pipeline.yaml", config=folder / "config.yaml")

    fresh = []
    seen = Seen()

    def reload():
        if not fresh:
            return None
        given = fresh.pop()
        if isinstance(given, Exception):
            raise given
        return given

    outcome = []
    first = pipeline(stays={}, goes={}, changes={})
    ran = threading.Thread(
        target=lambda: outcome.append(
            run(
                first,
                engine=runner.engine,
                address=runner.address,
                sinks=[ResultsFile(folder / "results.jsonl")],
                reload=reload,
                **live.turned(seen),
            )
        )
    )
    ran.start()
    until(lambda: min((seen.frames.get(name, 0) for name in ("stays", "goes", "changes")), default=0) > some, 30)
    fresh.append(ConfigError("streams.goes.url: missing"))
    until(lambda: "streams.goes.url: missing" in caplog.text, 30)
    fresh.append(pipeline(stays={}, comes={}, changes={"end_s": frames / LIVE_FPS / 2}))
    until(lambda: seen.frames.get("comes", 0) > some, 30)
    ran.join(40)
    assert "added comes; removed goes; changed changes" in caplog.text
    report = outcome[0].report["streams"]
    lines = answers(folder / "results.jsonl")
    for name in ("stays", "goes", "changes", "comes"):
        numbers = [line["seq"] for line in lines if line["stream"] == name]
        assert numbers == list(range(len(numbers)))
        assert report[name]["frames_in"] == sum(report[name]["how"].values()) == len(numbers)
    assert report["stays"]["frames_in"] == frames
    assert report["stays"]["how"]["reused"] > frames * 5 // 6  # nothing was dropped for the others' sake
    assert report["goes"]["frames_in"] < frames * 5 // 6
    assert report["changes"]["frames_in"] == frames // 2
    assert report["comes"]["frames_in"] == frames
    assert outcome[0].exit_status == 0


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(300)  # actors of a busy machine take their time to come back
@pytest.mark.parametrize(("dies", "noticed"), [("device", False), ("device", True), ("edge", False)])
def test_what_changes_while_an_actor_is_away_is_told_when_it_is_back(on_ray, clip, dies, noticed, caplog):
    """A reload just behind the death of an actor ended the run, or brought removed streams back with the device."""
    folder = on_ray.folder
    process = folder / "process"
    marks = f"- {{id: marks, type: mystages:Marks, on: {dies}, file: {process}}}"
    (folder / "pipeline.yaml").write_text(PIPELINE.replace("stages:\n", f"stages:\n  {marks}\n"))

    def pipeline(**streams):
        config = {"streams": {name: {"url": f"live+file:{clip}"} | more for name, more in streams.items()}}
        (folder / "config.yaml").write_text(json.dumps(config))
        return load(folder / "pipeline.yaml", config=folder / "config.yaml")

    first = pipeline(stays={}, goes={}, changes={})
    fresh = [pipeline(stays={}, comes={}, changes={"end_s": 6.0})]
    seen = Seen()
    killed = []

    def reload():
        if not killed and min((seen.frames.get(name, 0) for name in ("stays", "goes", "changes")), default=0) > 25:
            killed.append(int(process.read_text()))
            os.kill(killed[0], signal.SIGKILL)
        if killed and fresh and ("a device with stays, goes, changes died" in caplog.text or not noticed):
            return fresh.pop()
        return None

    outcome = run(
        first,
        engine="ray",
        address=on_ray.address,
        sinks=[ResultsFile(folder / "results.jsonl")],
        watchers=[seen],
        reload=reload,
    )
    assert outcome.errors == []
    lines = answers(folder / "results.jsonl")
    for name in ("stays", "goes", "changes", "comes"):
        numbers = [line["seq"] for line in lines if line["stream"] == name]
        assert numbers == list(range(len(numbers)))
    report = outcome.report["streams"]
    assert report["goes"]["frames_in"] < 250
    assert report["stays"]["frames_in"] > 25
    assert report["comes"]["frames_in"] > 25
    assert seen.ended.keys() == {"stays", "goes", "changes", "comes"}


def test_of_the_old_picture_nothing_is_known_where_a_stream_begins_anew():
    """A device that died right behind a change took up what its stages had known of the camera from before."""
    collector = Collector(["cam"])
    published = Result("cam", 0, 0.0, None, 0.0, 0, answer("big", 1))
    collector.take(Batch(published=[published], snapshots=[Snapshot("cam", {"track": "boxes"}, 0)]))
    assert collector.position("cam").states == {"track": "boxes"}
    collector.begin("cam", live=False)
    position = collector.position("cam")
    assert position.resume.seq == 0
    assert not position.states
    assert not len(position.last.detections)


def test_only_streams_change(tmp_path, clip):
    from tests.runtime.conftest import Runner
    from vidpipe.pipeline.diff import changes

    Runner(tmp_path, "inline", None)
    (tmp_path / "one.yaml").write_text(PIPELINE)
    (tmp_path / "other.yaml").write_text(PIPELINE.replace("edge", "cloud"))
    one, other = (load(tmp_path / f"{name}.yaml", sources={"a": str(clip)}) for name in ("one", "other"))
    assert not changes(one, one)
    with pytest.raises(ConfigError, match="stages cannot change while it runs: only streams and settings"):
        changes(one, other)
    with pytest.raises(ConfigError, match="no stream is left"):
        changes(one, load(tmp_path / "one.yaml"))


def test_a_file_counts_once_it_is_left_alone(tmp_path):
    clock = HandClock()
    file = tmp_path / "config.yaml"
    file.write_text("a")
    loaded = []
    ask = Reload(lambda: loaded.append(file.read_text()), [file], clock)

    def look():
        clock.turn(1.1)
        ask()
        return len(loaded)

    assert [look(), look()] == [0, 0]
    file.write_text("half")
    assert look() == 0
    file.write_text("the whole")
    assert look() == 0
    assert look() == 1
    assert look() == 1
    ask.ask()
    assert look() == 2
    file.rename(tmp_path / "elsewhere")
    file.write_text("another file")
    assert [look(), look(), look()] == [2, 3, 3]
