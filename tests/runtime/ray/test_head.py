"""The head of a joined cluster that dies under a run: the report is there, whole, with what was counted and why."""

from __future__ import annotations

import pytest
from ray.cluster_utils import Cluster

from tests.cli.conftest import Shell, footage, shell
from vidpipe.runtime.ray.local import bare_nodes

__all__ = ["footage", "shell"]

pytestmark = pytest.mark.ray

PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read, on: edge}]
"""


@pytest.fixture
def machines():
    options = {"num_cpus": 0}
    with bare_nodes():
        machines = Cluster(initialize_head=True, head_node_args={"resources": {"edge": 1}, **options})
        machines.add_node(resources={"device": 1}, **options)
    yield machines
    machines.shutdown()


@pytest.mark.long
@pytest.mark.parametrize("dies", ["gcs_server"])
def test_the_report_has_what_was_counted(shell: Shell, footage, machines, dies):
    source = f"live+file:{footage / 'long.mp4'}"
    command = shell.begin(PIPELINE, source, "--address", machines.address, engine="ray", fresh=True)
    command.wait_for_lines(20)
    machines.head_node.all_processes[dies][0].process.kill()
    ended = command.end(60)
    assert ended.status == 1
    (error,) = shell.report["errors"]
    assert error.endswith("the run cannot go on")
    assert shell.report["finished"] is True
    (stream,) = shell.report["streams"].values()
    assert stream["frames_in"] == sum(stream["how"].values()) == len(shell.lines) >= 20
