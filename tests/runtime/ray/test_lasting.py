"""A run in the background whose cluster goes away. What must hold:

- it waits, and says so to who asks; it can be stopped meanwhile;
- once a Ray is back at the address it goes on: every frame of a recording has one answer, and a camera's numbers go on;
- the report counts both parts, and tells when the cluster was lost.
"""

from __future__ import annotations

import json

import pytest
from ray.cluster_utils import Cluster

from tests import clips
from tests.cli.conftest import Shell, footage, shell
from tests.waiting import until
from vidpipe.runtime.ray.local import bare_nodes

__all__ = ["footage", "shell"]

pytestmark = pytest.mark.ray

PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read, on: edge}]
"""


class Head:
    """A cluster of one machine whose head comes back where it was."""

    def __init__(self) -> None:
        self._port: int | None = None
        self.start()

    def start(self) -> None:
        port = {} if self._port is None else {"gcs_server_port": self._port}
        options = {"num_cpus": 0, "resources": {"device": 1, "edge": 1}, **port}
        with bare_nodes():
            self._cluster = Cluster(initialize_head=True, head_node_args=options)
        self.address = self._cluster.address
        self._port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        node = self._cluster.head_node
        node.all_processes["gcs_server"][0].process.kill()
        node.kill_all_processes(check_alive=False, allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def head():
    head = Head()
    yield head
    head.shutdown()


def status(shell: Shell) -> dict:
    said = shell.vidpipe("status", "yard", "--json")
    assert said.status == 0, said.err + shell.vidpipe("logs", "yard").out
    told: dict = json.loads(said.out)
    return told


@pytest.mark.long
@pytest.mark.timeout(240)
def test_it_waits_goes_on_and_is_stopped_while_it_waits(shell: Shell, tmp_path, head):
    """A camera and a recording: the recording has every answer once, the camera those of both parts."""
    slow = clips.encode(tmp_path / "slow.mp4", frames=2400, fps=8)
    paced = clips.encode(tmp_path / "paced.mp4", frames=240, fps=8)
    shell.write("pipeline.yaml", PIPELINE)
    words = ("run", "pipeline.yaml", "--source", f"cam=live+file:{slow}", "--source", f"film={paced}")
    files = ("--results", "results.jsonl", "--report", "report.json")
    began = shell.start(*words, *files, "--address", head.address, "--detach", "yard", fresh=True).end(60)
    assert (began.status, began.err) == (0, "")
    until(lambda: status(shell)["streams"]["cam"]["frames_in"] > 10, 40)
    head.kill()
    until(lambda: status(shell)["state"] == "waiting for the cluster", 20)
    assert "yard: waiting for the cluster" in shell.vidpipe("status", "yard").out
    refused = shell.vidpipe("apply", "yard", "--set", "read.enabled=false")
    assert "waiting for the cluster" in refused.error
    before = status(shell)["streams"]["cam"]["frames_in"]
    head.start()
    until(lambda: status(shell)["streams"]["cam"]["frames_in"] > before + 5, 60)
    assert status(shell)["state"] == "running"
    head.kill()
    until(lambda: status(shell)["state"] == "waiting for the cluster", 20)
    stopped = shell.vidpipe("stop", "yard")
    assert (stopped.status, stopped.err) == (0, "")
    lines = shell.lines
    for stream in ("cam", "film"):
        numbers = [line["seq"] for line in lines if line["stream"] == stream]
        told = shell.report["streams"][stream]
        assert numbers == list(range(len(numbers)))
        assert told["frames_in"] == len(numbers) == sum(told["how"].values())
    assert len(shell.report["deaths"]["cluster"]) == 2
    assert shell.report["stages"]["read"]["asked"] > before
    assert not (shell.folder / "results.jsonl.1").exists()
