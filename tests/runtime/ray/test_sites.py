"""Sites on a cluster: each has machines of its own, and one cloud is common to all. What must hold:

- every actor stands on a machine of its tier and site, and answers are those of the inline engine;
- a site whose machine goes away degrades its own streams, and no other loses a picture; it goes on when it is back;
- what lacks a machine is told before anything starts, with what to start.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.runtime.conftest import LIVE_FPS, Runner
from tests.waiting import until
from vidpipe import Run
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.health import State

pytestmark = pytest.mark.ray

STANDS = '''
"""Stages that say on which machine they stand."""

from dataclasses import replace

import ray

from mystages import Read
from vidpipe.cascade.stage import Stage


def machine():
    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"


class Passes(Stage):
    """Has each answer on its way up say where it was."""

    def answer(self, frames):
        return [None] * len(frames)

    def learn(self, frame, answer):
        return replace(answer, reason=f"{machine()} {answer.reason}")


class SharedPasses(Passes):
    shared = True


class Reads(Read):
    def measure(self, frame):
        return replace(super().measure(frame), reason=machine())
'''
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: own, type: stands:Passes, on: device}
  - {id: shared, type: stands:SharedPasses, on: edge}
  - {id: read, type: stands:Reads, on: cloud}
audit: {rate: 0, max_unchecked_s: 2}
"""
MACHINES = {
    "a device": ("site-a", "device"),
    "a edge 1": ("site-a", "edge"),
    "a edge 2": ("site-a", "edge"),
    "b": ("site-b", "device", "edge"),
    "free": ("", "device", "edge"),
}


class Sites:
    """A cluster with machines of two sites, one of none, and the cloud."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        from tests.warm.ask import PLACE
        from tests.warm.forked import template
        from vidpipe.runtime.ray.local import bare_nodes

        self._options: dict[str, Any] = {
            "num_cpus": 0,
            "setup_worker_path": str(Path("tests/warm/ray_worker.py").absolute()),
        }
        self._bare = bare_nodes
        os.environ[PLACE] = template().place  # of the nodes that come later, too
        with bare_nodes():
            self._cluster = Cluster(initialize_head=True, head_node_args={"resources": {"cloud": 1}, **self._options})
        self.there: dict[str, Any] = {"cloud": self._cluster.head_node}
        for name in MACHINES:
            self.bring(name)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def bring(self, name: str) -> None:
        site, *tiers = MACHINES[name]
        labels = {"site": site} if site else {}
        with self._bare():
            self.there[name] = self._cluster.add_node(resources=dict.fromkeys(tiers, 1), labels=labels, **self._options)

    def take(self, name: str) -> None:
        self._cluster.remove_node(self.there.pop(name))

    def names(self, nodes: str) -> list[str]:
        """What machines are called here, of their ids."""
        known = {node.node_id: name for name, node in self.there.items()}
        return [known[node] for node in nodes.split()]

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    sites = Sites()
    yield sites
    sites.shutdown()


def pipeline(folder: Path, at: dict[str, str], frames: int, *, live: bool = False, **options: object) -> Pipeline:
    """Streams by name, each at a site or at none."""
    Runner(folder, "ray", None)
    (folder / "stands.py").write_text(STANDS)
    (file := folder / "pipeline.yaml").write_text(PIPELINE)
    clip = clips.encode(folder / "clip.mp4", frames=frames)
    sets = [f"streams.{name}.at={site}" for name, site in at.items() if site]
    sets += [f"{name}={value}" for name, value in options.items()]
    return load(file, sources=dict.fromkeys(at, f"{'live+file:' if live else ''}{clip}"), sets=sets)


def test_actors_stand_on_machines_of_their_site_and_answer_as_everywhere(tmp_path: Path, sites: Sites) -> None:
    streams = {"a1": "site-a", "a2": "site-a", "b": "site-b", "free": ""}
    laid = pipeline(tmp_path, streams, 12, streams_per_actor=1)
    with Run(laid, address=sites.address) as run:
        results = list(run)
    where = {(result.stream, tuple(sites.names(result.answer.reason))) for result in results}
    stood = dict(where)
    assert len(where) == len(streams)
    assert {stood["a1"], stood["a2"]} == {("a device", edge, "cloud") for edge in ("a edge 1", "a edge 2")}
    assert stood["b"] == ("b", "b", "cloud")
    assert stood["free"] == ("free", "free", "cloud")
    with Run(laid, engine="inline") as run:
        expected = list(run)
    assert _comparable(results) == _comparable(expected)
    assert len(results) == 12 * len(streams)


def _comparable(results: list[Any]) -> list[tuple[Any, ...]]:
    told = [(r.stream, r.seq, r.answer.how, r.answer.by, r.answer.as_of, r.detections.xyxy.tolist()) for r in results]
    return sorted(told, key=lambda each: each[:2])


class Taken(threading.Thread):
    """A live run whose results are counted in a thread, with the states that its streams were in."""

    def __init__(self, laid: Pipeline, address: str) -> None:
        super().__init__()
        self.run_ = Run(laid, address=address)
        self.results: dict[str, list[Any]] = {name: [] for name in laid.streams}
        self.states: dict[str, set[str]] = {name: set() for name in laid.streams}
        self.details: set[str] = set()

    def run(self) -> None:
        with self.run_ as run:
            for result in run:
                self.results[result.stream].append(result)
                for name, stream in run.status().streams.items():
                    self.states[name].add(stream.state)
                    self.details.add(stream.detail)


def test_a_site_that_goes_away_leaves_the_others_alone_and_comes_back(
    tmp_path: Path, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 14
    streams = {"a": "site-a", "b": "site-b"}
    taken = Taken(pipeline(tmp_path, streams, seconds * LIVE_FPS, live=True, late="wait"), sites.address)
    taken.start()
    until(lambda: len(taken.results["a"]) > LIVE_FPS, 30)
    sites.take("a device")
    until(lambda: State.DEGRADED in taken.states["a"], 30)
    before = len(taken.results["a"])
    sites.bring("a device")
    until(lambda: len(taken.results["a"]) > before + LIVE_FPS, 60)
    taken.join(60)
    outcome = taken.run_.join(1)
    b = taken.results["b"]
    assert [result.seq for result in b] == list(range(seconds * LIVE_FPS))
    assert {result.answer.by for result in b} == {"read"}  # the common cloud answers every picture
    assert State.DEGRADED not in taken.states["b"]
    assert any(re.fullmatch(r"site-a/device away for \d+ s", detail) for detail in taken.details)
    assert [result.seq for result in taken.results["a"]] == list(range(len(taken.results["a"])))
    assert list(outcome.report["deaths"]) == ["site-a/device"]
    assert "site-a/device with a died; its streams go on behind their last answers" in caplog.text


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (
            "site-c",
            r"no machine of the site site-c offers the tiers device and edge; did you mean 'site-[ab]'\?; there is ",
        ),
        ("elsewhere", r"no machine of the site elsewhere offers the tiers device and edge; there is \d"),
    ],
)
def test_what_lacks_a_machine_is_told_with_what_to_start(tmp_path: Path, sites: Sites, at: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error, Run(pipeline(tmp_path, {"c": at}, 3), address=sites.address):
        pass
    command = f'ray start --address={sites.address} --resources=\'{{"device": 1, "edge": 1}}\' --labels=site={at}'
    assert str(error.value).endswith(f"start one with {command}")
