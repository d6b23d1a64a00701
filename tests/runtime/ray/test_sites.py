"""Sites on a cluster, started as configs/sites.yaml says. What must hold:

- every actor stands on a machine of its tier and site, and answers are those of the inline engine;
- a site whose machine goes away degrades its own streams, and no other loses a picture; it goes on when it is back;
- a tier that a configuration narrows stands there and nowhere else;
- what lacks a machine is told before anything starts, with what to start.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.runtime.conftest import LIVE_FPS, Runner
from tests.waiting import until
from vidpipe import Run
from vidpipe.core.answer import How
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Result
from vidpipe.sources.health import State

pytestmark = pytest.mark.ray

STANDS = '''
"""Stages that say on which machine they stand."""

from dataclasses import replace

import ray

from mystages import Read
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import Knob, StageConfig


def machine():
    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"


class Passes(Stage):
    """Has each answer on its way up say where it was."""

    def answer(self, frames):
        return [None] * len(frames)

    def learn(self, frame, answer):
        return replace(answer, reason=f"{machine()} {answer.reason}")


class Config(StageConfig):
    explore: float = Knob(0.1)


class Little(Stage):
    """The same, with its settings."""

    shared = True
    Config = Config

    def answer(self, frames):
        return [None] * len(frames)

    def learn(self, frame, answer):
        return replace(answer, reason=f"{machine()}:{self.config.explore} {answer.reason}")


class Reads(Read):
    def measure(self, frame):
        return replace(super().measure(frame), reason=machine())
'''
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: own, type: stands:Passes, on: device}
  - {id: little, type: stands:Little, on: edge}
  - {id: read, type: stands:Reads, on: cloud}
audit: {rate: 0, max_unchecked_s: 2}
"""
CONFIG = Path(__file__).parents[3] / "configs" / "sites.yaml"
MORE = (
    """ray start --address=192.0.2.1:6379 --resources='{"edge": 1}' --labels=site=north""",
    """ray start --address=192.0.2.1:6379 --resources='{"device": 1, "edge": 1}'""",
    """ray start --address=192.0.2.1:6379 --resources='{"edge": 1}' --labels=gpu=t4 --num-gpus=1 --node-name=shed""",
)


def started(command: str) -> dict[str, Any]:
    """What Ray's own command line makes of it: what the node offers, and its labels."""
    from ray.scripts import scripts  # a CPU second

    words = shlex.split(command)
    assert words[:2] == ["ray", "start"]
    options = scripts.start.make_context("start", words[2:]).params
    assert options["head"] or options["address"] == "192.0.2.1:6379"
    labels = dict(label.split("=") for label in filter(None, (options["labels"] or "").split(",")))
    named = {name: options[name] for name in ("num_gpus", "node_name") if options[name]}
    return {"resources": json.loads(options["resources"]), "labels": labels, **named}


@cache
def commands() -> list[dict[str, Any]]:
    """Those of the configuration and some more, one for each of NAMES."""
    return [started(command) for command in (*re.findall(r"^# +(ray start .*)$", CONFIG.read_text(), re.M), *MORE)]


NORTH_EDGES = ("north edge", "north edge 2")
NAMES = ("cloud", "north device", NORTH_EDGES[0], "south", NORTH_EDGES[1], "free", "shed")


class Sites:
    """The cluster of the configuration, with one machine more in the north, and two that are at no site."""

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
            self._cluster = Cluster(initialize_head=True, head_node_args={**commands()[0], **self._options})
        self.there: dict[str, Any] = {"cloud": self._cluster.head_node}
        for name in NAMES[1:]:
            self.bring(name)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def bring(self, name: str) -> None:
        with self._bare():
            self.there[name] = self._cluster.add_node(**commands()[NAMES.index(name)], **self._options)

    def take(self, name: str) -> None:
        self._cluster.remove_node(self.there.pop(name))

    def where(self, result: Result) -> list[str]:
        """The machines that a result has seen, from the device down, as they are called here."""
        known = {node.node_id: name for name, node in self.there.items()}
        return [known.get(told.partition(":")[0], "gone") for told in result.answer.reason.split()]

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    sites = Sites()
    yield sites
    sites.shutdown()


def written(folder: Path, frames: int) -> tuple[Path, Path]:
    """The pipeline, its stages beside it, and a clip."""
    Runner(folder, "ray", None)
    (folder / "stands.py").write_text(STANDS)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return folder / "pipeline.yaml", clips.encode(folder / "clip.mp4", frames=frames)


def pipeline(folder: Path, at: dict[str, str], frames: int, *, live: bool = False, **options: object) -> Pipeline:
    """Streams by name, each at a site."""
    file, clip = folder / "pipeline.yaml", folder / "clip.mp4"
    if not clip.exists():
        written(folder, frames)
    sets = [f"streams.{name}.at={site}" for name, site in at.items()]
    sets += [f"{name}={value}" for name, value in options.items()]
    return load(file, sources=dict.fromkeys(at, f"{'live+file:' if live else ''}{clip}"), sets=sets)


@pytest.mark.long
def test_actors_stand_on_machines_of_their_site_and_answer_as_everywhere(tmp_path: Path, sites: Sites) -> None:
    file, clip = written(tmp_path, 12)
    names = ("north-gate", "north-yard", "south-yard", "south-gate")
    sets = ["streams_per_actor=1", *(f"streams.{name}.url={clip}" for name in names)]
    laid = load(file, config=CONFIG, sources={"free": str(clip)}, sets=sets)
    with Run(laid, address=sites.address) as run:
        results = list(run)
    stood = {result.stream: sites.where(result) for result in results}
    assert all(sites.where(result) == stood[result.stream] for result in results)
    north = [stood["north-gate"], stood["north-yard"]]
    assert sorted(north) == [["north device", edge, "cloud"] for edge in NORTH_EDGES]
    assert stood["south-gate"] == stood["south-yard"] == ["south", "south", "cloud"]
    assert stood["free"] == ["free", "free", "cloud"]
    explore = {result.stream: float(result.answer.reason.split()[1].partition(":")[2]) for result in results}
    assert explore == {"north-gate": 0.1, "north-yard": 0.1, "south-yard": 0.2, "south-gate": 0.05, "free": 0.1}
    with Run(laid, engine="inline") as run:
        expected = list(run)
    assert _comparable(results) == _comparable(expected)
    assert len(results) == 12 * len(laid.streams)


@pytest.mark.long
@pytest.mark.parametrize("tier", ["{labels: {gpu: t4}, gpus: 0.5}", "{machine: shed}", "{}"])
def test_a_tier_is_on_the_machine_that_a_configuration_says(tmp_path: Path, sites: Sites, tier: str) -> None:
    file, clip = written(tmp_path, 6)
    laid = load(file, sources={"free": str(clip)}, sets=[f"tiers.edge={tier}", "streams_per_actor=1"])
    with Run(laid, address=sites.address) as run:
        stood = {tuple(sites.where(result)) for result in run}
    assert stood == {("free", "free" if tier == "{}" else "shed", "cloud")}


def test_more_of_a_gpu_than_there_is_is_told_before_anything_starts(tmp_path: Path, sites: Sites) -> None:
    file, clip = written(tmp_path, 6)
    laid = load(file, sources={"free": str(clip)}, sets=["tiers.edge={labels: {gpu: t4}, gpus: 2}"])
    told = (
        r"offers the tier edge with the label gpu=t4 and 2 GPUs; there is .*: start one with ray start .* --num-gpus=2"
    )
    with pytest.raises(ConfigError, match=told), Run(laid, address=sites.address):
        pass


def _comparable(results: list[Result]) -> list[tuple[Any, ...]]:
    told = [(r.stream, r.seq, r.answer.how, r.answer.by, r.answer.as_of, r.detections.xyxy.tolist()) for r in results]
    return sorted(told, key=lambda each: each[:2])


class Taken(threading.Thread):
    """A live run whose results are counted in a thread, with the states that its streams were in."""

    def __init__(self, laid: Pipeline, address: str) -> None:
        super().__init__()
        self.fresh: list[Pipeline] = []  # configurations to be read again
        self.run_ = Run(laid, address=address, reload=lambda: self.fresh.pop() if self.fresh else None)
        self.results: defaultdict[str, list[Result]] = defaultdict(list)
        self.states: defaultdict[str, set[str]] = defaultdict(set)
        self.details: set[str] = set()
        self.came_at: list[float] = []  # results of the stream b

    def run(self) -> None:
        with self.run_ as run:
            for result in run:
                self.results[result.stream].append(result)
                if result.stream == "b":
                    self.came_at.append(time.monotonic())
                for name, stream in run.status().streams.items():
                    self.states[name].add(stream.state)
                    self.details.add(stream.detail)


@pytest.mark.long
def test_a_site_that_goes_away_leaves_the_others_alone_and_comes_back(
    tmp_path: Path, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 14
    streams = {"a": "north", "b": "south"}
    frames, options = seconds * LIVE_FPS, {"live": True, "late": "wait", "streams_per_actor": 1}
    taken = Taken(pipeline(tmp_path, streams, frames, **options), sites.address)
    taken.start()
    until(lambda: len(taken.results["a"]) > LIVE_FPS, 30)
    sites.take("north device")
    until(lambda: State.DEGRADED in taken.states["a"], 30)
    before = len(taken.results["a"])
    taken.fresh.append(pipeline(tmp_path, streams | {"late": "north", "lost": "norht"}, frames, **options))
    until(lambda: "the configuration is not taken up" in caplog.text)
    taken.fresh.append(pipeline(tmp_path, streams | {"late": "north"}, frames, **options))
    until(lambda: "the configuration was taken up: added late" in caplog.text)
    sites.bring("north device")
    until(lambda: len(taken.results["a"]) > before + LIVE_FPS, 60)
    until(lambda: len(taken.results["late"]) > LIVE_FPS, 30)
    device, edge, _ = sites.where(taken.results["late"][0])
    assert device == "north device"
    sites.take(edge)  # the other one of the site takes over
    until(lambda: sites.where(taken.results["late"][-1]) == [device, *({*NORTH_EDGES} - {edge}), "cloud"], 30)
    until(lambda: taken.run_.status().streams["b"].state == State.STOPPED, 30)
    taken.run_.stop()
    taken.join(60)
    outcome = taken.run_.join(1)
    b = taken.results["b"]
    assert [result.seq for result in b] == list(range(seconds * LIVE_FPS))
    # The common cloud answers without a pause, but for pictures that a busy machine has no time for.
    assert {result.answer.by for result in b if result.answer.how is not How.DROPPED} == {"read"}
    pauses = [after - before for before, after in pairwise(taken.came_at)]
    assert max(pauses) < 5
    assert State.DEGRADED not in taken.states["b"]
    assert any(re.fullmatch(r"north/device away for \d+ s", detail) for detail in taken.details)
    assert [result.seq for result in taken.results["a"]] == list(range(len(taken.results["a"])))
    assert set(outcome.report["deaths"]) == {"north/device", "north/edge 2"}
    assert "no machine of the site norht offers the tiers device and edge; did you mean 'north'?" in caplog.text
    assert "north/device with a died; its streams go on behind their last answers" in caplog.text


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (
            "norht",
            r"no machine of the site norht offers the tiers device and edge; did you mean 'north'\?; there is ",
        ),
        ("elsewhere", r"no machine of the site elsewhere offers the tiers device and edge; there is \d"),
    ],
)
def test_what_lacks_a_machine_is_told_with_what_to_start(tmp_path: Path, sites: Sites, at: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error, Run(pipeline(tmp_path, {"c": at}, 3), address=sites.address):
        pass
    command = f'ray start --address={sites.address} --resources=\'{{"device": 1, "edge": 1}}\' --labels=site={at}'
    assert str(error.value).endswith(f"start one with {command}")
