"""Machines and processes of a run as it tells of them. What must hold:

- a machine that is gone is away since then, until one that is known as it was comes back, and no longer;
- actors are told of with their tier, their streams and their deaths, and standbys as standbys;
- on a real cluster, all of that, without anybody waiting for a Ray that does not answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import RayActorError

from tests import clips
from tests.runtime.conftest import Runner
from tests.runtime.ray.nodes import Nodes
from tests.runtime.ray.test_census import Answers, word
from tests.waiting import until
from tests.warm.ask import PLACE
from tests.warm.forked import template
from vidpipe import Run
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.machinery import Load
from vidpipe.runtime.machine import Machine
from vidpipe.runtime.ray import census as census_module
from vidpipe.runtime.ray.census import Census
from vidpipe.runtime.ray.machine_watch import MachineWatch

LOAD = Load("box", 7, 2, 0.5, 100, 50, 10)


def machine(node: str, address: str, tier: Tier = Tier.EDGE) -> Machine:
    return Machine(node, address, {tier: 1.0}, names=(address, f"host-{address}"))


@given(st.lists(st.sets(st.sampled_from("abcd")), min_size=1, max_size=8))
def test_each_machine_is_there_or_away_since_it_was_missed_first(seen: list[set[str]]) -> None:
    watch, since, ever = MachineWatch(joined=True), dict[str, float](), set[str]()
    for now, there in enumerate(seen):
        watch.note(
            [machine(f"{address}{now}", address) for address in there], now
        )  # a node of Ray is another each time
        since = {address: since.get(address, float(now)) for address in ever - there}
        ever |= there
        told = {each.address: each.away_since for each in watch.machines({})}
        assert told == {**dict.fromkeys(there), **since}
        assert len(watch.machines({})) == len(ever)


def test_a_machine_takes_the_place_of_none_that_is_known_otherwise() -> None:
    watch = MachineWatch(joined=True)
    watch.note([machine("1", "a", Tier.EDGE), machine("2", "a", Tier.CLOUD)], 1.0)
    watch.note([machine("3", "a", Tier.CLOUD)], 2.0)
    assert [(each.tiers, each.away_since) for each in watch.machines({"3": LOAD})] == [
        (("cloud",), None),
        (("edge",), 2.0),
    ]
    assert watch.machines({"3": LOAD})[0].cpu == 0.5
    assert watch.machines({"2": LOAD})[0].cpu is None


def test_actors_are_told_of_with_what_they_read_and_their_deaths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "ASK_EVERY_S", -1.0)
    census = Census()
    said = word("first", 1.0)._replace(node="n", load=LOAD), word("second", 0.5)._replace(node="n", load=LOAD)
    device: Any = Answers(said[0], RayActorError(), said[1])
    edge: Any = Answers(None)
    census.add("north/device", device, Place(range(1), "north/device", Tier.DEVICE, "north"), watched=True)
    census.add("edge", edge, Place(range(1, 2), "edge", Tier.EDGE))

    def told() -> list[tuple[Any, ...]]:
        census.go_on()
        processes = census.processes([edge], [(device, ["gate"])])
        return [(each.name, str(each.kind), str(each.state), each.streams, each.deaths) for each in processes]

    assert told()[0] == ("north/device", "actor", "running", ("gate",), 0)
    assert told()[1] == ("edge", "standby", "starting", (), 0)
    census.died(device)
    assert told()[0] == ("north/device", "actor", "running", ("gate",), 1)
    first = census.processes([], [])[0]
    assert (first.tier, first.site, first.machine, first.pid, first.cpu_s) == ("device", "north", "box", 7, 1.5)
    assert first.silent_s is not None
    assert census.loads() == {"n": LOAD}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    os.environ[PLACE] = template().place
    nodes = Nodes(setup_worker_path=str(Path(__file__).parents[2] / "warm" / "ray_worker.py"))
    yield nodes
    nodes.shutdown()


@pytest.mark.ray
@pytest.mark.timeout(120)
def test_a_cluster_tells_who_is_there_and_since_when_others_are_away(tmp_path: Path, nodes: Nodes) -> None:
    clip = clips.encode(tmp_path / "clip.mp4", frames=600, fps=5)
    runner = Runner(tmp_path, "ray", nodes.address)
    file = runner.folder / "pipeline.yaml"
    file.write_text(
        "classes: {even: even, odd: odd}\nlate: detour\nstages:\n"
        "  - {id: third, type: mystages:Third, on: device}\n  - {id: read, type: mystages:Read, on: cloud}\n"
    )
    began = time.time()
    pipeline = load(file, sources={"gate": f"live+file:{clip}"})
    with Run(pipeline, engine="ray", address=nodes.address, results=False) as run:

        def machines() -> dict[tuple[str, ...], float | None]:
            return {each.tiers: each.away_since for each in run.status().machinery.machines}

        until(lambda: machines() == {(): None, ("device",): None, ("edge",): None, ("cloud",): None}, 60)
        until(lambda: all(str(each.state) == "running" for each in run.status().machinery.processes), 60)
        told = {(each.name, str(each.kind)): each for each in run.status().machinery.processes}
        assert {("run", "driver"), ("device", "actor"), ("cloud", "actor")} <= told.keys()
        assert told["device", "actor"].streams == ("gate",)
        assert len({each.pid for each in told.values()}) == len(told)
        until(lambda: "closed" in str(run.status().links["device-cloud"].get("breakers")), 30)
        nodes.take("cloud")
        until(lambda: (machines()["cloud",] or 0) >= began, 30)
        until(lambda: set(run.status().links["device-cloud"]["breakers"]) != {"closed"}, 30)
        nodes.bring("cloud")
        until(lambda: machines()["cloud",] is None, 60)
        run.stop()
