"""The configurations of configs/: the commands in their comments do what they say, on small models and short clips."""

from __future__ import annotations

import http.server
import json
import signal
import threading

import pytest

from tests import clips
from tests.cameras.test_http import Camera
from tests.cli.conftest import PAIR, Shell, shell
from tests.deploy.commands import ROOT, commands_of, understood
from tests.models.networks import constant_network, ssd_table
from tests.waiting import until
from vidpipe.cli.commands.check import check

__all__ = ["shell"]

CONFIGS = ROOT / "configs"
ADDRESS = "10.0.0.5:6379"


@pytest.fixture
def place(shell):
    """A folder with the pipelines and models that the commands name, small ones, and the configurations."""
    for name in ("little", "big"):
        constant_network(shell.folder / f"{name}.onnx", {"out": ssd_table([(20, 20, 30, 30, 1, 0.9)])})
    for name in ("demo", "pair"):
        shell.write(name + ".yaml", PAIR)
    (shell.folder / "configs").mkdir()
    for file in CONFIGS.glob("*.yaml"):
        shell.write(f"configs/{file.name}", file.read_text())
    return shell


@pytest.fixture
def camera():
    """The address of a camera that sends JPEG pictures."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.stopped, server.asked = threading.Event(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/video.mjpg"
    server.stopped.set()
    server.shutdown()
    server.server_close()


def commands(name, address=ADDRESS):
    """Those of vidpipe in the comments of a configuration, by the subcommand."""
    found = {}
    for command in commands_of((CONFIGS / name).read_text(), comments=True):
        words = understood(command)
        if words[0] == "vidpipe":
            words = [f"{word}.yaml" if word in ("demo", "pair") else word.replace(ADDRESS, address) for word in words]
            found[words[1]] = words[1:]
    return found


def report_of(place: Shell):
    return json.loads((place.folder / "report.json").read_text())


@pytest.mark.parametrize("name", ["laptop.yaml", "one-edge-box.yaml", "three-tiers.yaml"])
def test_they_fit_the_pipelines_that_they_name(name, monkeypatch):
    for camera in ("GATE_URL", "YARD_URL"):
        monkeypatch.setenv(camera, "rtsp://192.0.2.10/stream1")
    (pipeline,) = {words[1].removesuffix(".yaml") for words in commands(name).values() if words[0] in ("check", "run")}
    check(pipeline, CONFIGS / name, [], [])


@pytest.mark.long
def test_a_laptop(place):
    clips.encode(place.folder / "street.mp4", frames=30)
    told = commands("laptop.yaml")
    assert place.vidpipe(*told["check"]).status == 0
    ended = place.vidpipe(*told["run"])
    assert ended.status == 0, ended.err
    assert len(place.lines) == 30
    events = [json.loads(line) for line in (place.folder / "events.jsonl").read_text().splitlines()]
    assert {event["rule"] for event in events} <= {"somebody"}


@pytest.mark.long
@pytest.mark.ray
def test_one_box_at_the_edge(place, camera, monkeypatch):
    monkeypatch.setenv("GATE_URL", camera)
    monkeypatch.setenv("YARD_URL", camera)
    told = commands("one-edge-box.yaml")
    assert place.vidpipe(*told["check"]).status == 0
    told["run"][told["run"].index("9100")] = "0"
    began = place.start(*told["run"], fresh=True).end(60)
    assert (began.status, began.err) == (0, "")
    until(
        lambda: all(f'"stream": "{name}"' in (place.folder / "box.jsonl").read_text() for name in ("gate", "yard")), 30
    )
    assert "box: running" in place.vidpipe(*told["status"]).out
    assert place.vidpipe(*told["stop"]).status == 0
    assert (place.folder / "box.db").exists()


@pytest.mark.long
@pytest.mark.ray
def test_three_tiers_on_three_machines(place, camera, cluster, monkeypatch):
    monkeypatch.setenv("GATE_URL", camera)
    told = commands("three-tiers.yaml", cluster)
    assert place.vidpipe(*told["check"]).status == 0
    command = place.start(*told["run"], fresh=True)
    command.wait_for_lines(40)
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end(30)
    assert ended.status == 130, ended.err
    report = report_of(place)
    gate = report["streams"]["gate"]
    assert gate["frames_in"] == sum(gate["how"].values()) == len(place.lines)
    assert report["links"]["device-edge"]["frames"] > 0
    assert report["stages"]["little"]["asked"] > 0
