"""Machines of a cluster that hang, or go and come back. What must hold:

- while one that answers hangs, results come without a pause, the stream says that it is degraded, and in time that
  nothing is known; afterwards all is as before;
- a device that is away for longer than anybody would wait is waited for, and its streams go on;
- the ledger is whole.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tests import clips
from tests.runtime.conftest import LIVE_FPS, Runner
from tests.waiting import until
from vidpipe import Run
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.ray import engine
from vidpipe.runtime.streams.expiry import TOO_OLD
from vidpipe.sources.health import State

pytestmark = pytest.mark.ray

SECONDS = 12
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: third, type: mystages:Third, on: device}
  - {id: read, type: mystages:Read, on: edge}
audit: {rate: 0, max_unchecked_s: 1}
standby: false
"""


class Machines:
    """A cluster of which one machine can be taken away and brought back."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self._options = {"include_dashboard": False, "include_log_monitor": False, "num_cpus": 0}
        self._cluster = Cluster(initialize_head=True, head_node_args={"resources": {"edge": 1}, **self._options})
        self.bring_device()

    @property
    def address(self):
        return self._cluster.address

    def bring_device(self):
        self._device = self._cluster.add_node(resources={"device": 1}, **self._options)

    def take_device(self):
        self._cluster.remove_node(self._device)

    def shutdown(self):
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def machines():
    machines = Machines()
    yield machines
    machines.shutdown()


class Taken(threading.Thread):
    """A run whose results are taken in a thread: when each came, and in which states the stream was meanwhile."""

    def __init__(self, tmp_path, machines):
        super().__init__()
        clip = clips.encode(tmp_path / "clip.mp4", frames=SECONDS * LIVE_FPS)
        (runner := Runner(tmp_path, "ray", machines.address)).folder.joinpath("pipeline.yaml").write_text(PIPELINE)
        pipeline = load(runner.folder / "pipeline.yaml", sources={"cam": f"live+file:{clip}"})
        self.session = Run(pipeline, engine="ray", address=machines.address)
        self.results, self.came_at, self.states = [], [], []

    def run(self):
        with self.session as session:
            for result in session:
                self.results.append(result)
                self.came_at.append(time.monotonic())
                state = session.status().streams["cam"].state
                if [state] != self.states[-1:]:
                    self.states.append(state)

    def ended_well(self):
        self.join(60)
        assert self.session.join(1).exit_status == 0
        assert [result.seq for result in self.results] == list(range(len(self.results)))


@pytest.mark.long
def test_one_that_hangs_stops_nobody_and_is_told_of(tmp_path, machines):
    taken = Taken(tmp_path, machines)
    taken.start()
    until(lambda: len(taken.results) > LIVE_FPS, 30)
    (edge,) = taken.session._engine._segments.actors  # noqa: SLF001 - nobody else knows its handle
    pid = edge.__ray_call__.remote(lambda _: os.getpid()).future().result(10)
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: State.DEGRADED in taken.states, 20)
    finally:
        os.kill(pid, signal.SIGCONT)
    stopped = len(taken.results)
    taken.ended_well()
    reasons = {result.answer.reason for result in taken.results[:stopped]}
    assert TOO_OLD in reasons
    assert all(not len(result.detections) for result in taken.results if result.answer.reason == TOO_OLD)
    assert taken.results[-1].answer.as_of > len(taken.results) - 2 * LIVE_FPS
    pauses = [after - before for before, after in zip(taken.came_at, taken.came_at[1:], strict=False)]
    assert max(pauses) < 5  # a device gives its answers at once, but on a busy machine


@pytest.mark.long
def test_a_device_that_comes_back_late_goes_on(tmp_path, machines, monkeypatch, caplog):
    monkeypatch.setattr(engine, "REVIVE_S", 1.0)
    taken = Taken(tmp_path, machines)
    taken.start()
    until(lambda: len(taken.results) > LIVE_FPS, 30)
    machines.take_device()
    until(lambda: "it is waited for" in caplog.text, 60)
    before = len(taken.results)
    machines.bring_device()
    taken.ended_well()
    assert len(taken.results) > before + LIVE_FPS
