"""On which machines a plan expects actors. What must hold, whatever machines there are and however tiers are narrowed:

- they are those that a cluster of these machines chooses, and what a cluster refuses, the plan refuses;
- no GPU is given away twice: what is short is told with the tier that takes it;
- a network in a pool is there once on each machine.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.planner.builders import costs, laid, stream
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.loads import Expected
from vidpipe.tuning.planner.nodes import Nodes
from vidpipe.tuning.planner.standing import stand

SITES = st.sampled_from((None, "north"))
LABELS = st.dictionaries(st.just("gpu"), st.sampled_from(["a", "b"]))
GPUS = st.sampled_from([0.0, 0.5, 1.0, 2.0])
MACHINE = st.fixed_dictionaries(
    {
        "tier": st.lists(st.sampled_from(Tier), min_size=1, unique=True),
        "site": SITES,
        "cpus": st.sampled_from([2, 8]),
        "labels": LABELS,
        "gpus": st.sampled_from([0, 1, 2]),
    }
)
NARROWED = st.one_of(
    st.builds(TierSpec, machine=st.sampled_from([None, "m0", "m1", "elsewhere"]), gpus=GPUS),
    st.builds(TierSpec, labels=LABELS, gpus=GPUS),
)


def of_tiers(tiers: dict[Tier, TierSpec], *, sites: dict[str, str | None] | None = None, per_actor: int = 0) -> Plan:
    """A plan of a stream at each of these sites, where tiers are narrowed so."""
    sites = sites or {"a": None}
    pipeline = laid(*sites).pipeline
    streams = {
        name: replace(one, spec=one.spec.model_copy(update={"at": sites[name]}))
        for name, one in pipeline.streams.items()
    }
    return plan(replace(pipeline, streams=streams, tiers=tiers, streams_per_actor=per_actor))


@settings(deadline=None, max_examples=150)  # the import of Ray
@given(
    st.lists(MACHINE, min_size=2, max_size=5),
    st.dictionaries(st.sampled_from(Tier), NARROWED),
    st.lists(SITES, min_size=1, max_size=3),
)
def test_a_plan_expects_actors_where_a_cluster_starts_them(machines, tiers, sites):
    from vidpipe.runtime.ray import machines as of_ray

    nodes = Nodes.model_validate({"nodes": {f"m{at}": each for at, each in enumerate(machines)}})
    # A cluster orders machines that are as good by their ids; a plan by their size.
    largest = sorted(nodes.nodes, key=lambda name: -nodes.nodes[name].cpus)
    there = [nodes.nodes[name].machine(f"{rank:056x}", name) for rank, name in enumerate(largest)]
    laid_out = of_tiers(tiers, sites={f"cam{at}": site for at, site in enumerate(sites)}, per_actor=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_ray, "machines", lambda: there)
        patch.setattr(of_ray.Machines, "_join_address", lambda _: "10.0.0.1:6379")
        try:
            started = _started(of_ray.Machines("10.0.0.1:6379", tiers), laid_out, dict.fromkeys(laid_out.sites))
        except ConfigError:
            with pytest.raises(ConfigError):
                _refused(laid_out, nodes)
            return
    found = stand(laid_out, nodes, dict.fromkeys(laid_out.pipeline.streams, 1))
    assert not found.shortages
    expected = {
        (place.segment, place.site or ""): (set(stood.nodes), stood.actors) for place, stood in found.stood.items()
    }
    assert expected == {key: ({largest[int(node, 16)] for node in on}, len(on)) for key, on in started.items()}


def _started(machines, laid_out, sites):
    """The nodes of a cluster's actors, by segment and site, started in the order in which a run does."""
    places, started = [], {}
    for site in sites:
        device, *below = laid_out.way_down(site, one_machine=False)
        devices = sum(laid_out.pipeline.site(group[0]) == site for group in laid_out.groups)
        on = started.setdefault(("device", site), [])
        for _ in range(devices):
            on.append((device, None))
        for place in reversed(below):
            if (place.name, place.site) not in places:
                places.append((place.name, place.site))
                count = min(devices, machines.count(place)) if place.site else 1
                key = (place.name.rpartition("/")[2], place.site)
                started[key] = [(place, site)] * max(1, count)
    machines.check([place for asked in started.values() for place, _ in asked])
    found = {}
    for key, asked in started.items():
        found[key] = []
        for place, of in asked:
            near = None if of is None else found["device", of][0]
            found[key].append(machines.options(place, near)[1])
    return found


def _refused(laid_out, nodes):
    short = stand(laid_out, nodes, dict.fromkeys(laid_out.pipeline.streams, 1)).shortages
    if short:
        raise ConfigError(str(short[0]))


NODES = {
    "gate": {"tier": "device", "cpus": 4},
    "shed": {"tier": ["edge", "cloud"], "cpus": 4, "gpus": 1, "labels": {"gpu": "t4"}, "address": "10.0.0.2"},
    "rack": {"tier": ["edge", "cloud"], "cpus": 32, "gpus": 2, "labels": {"gpu": "a2"}},
}


def expected(tiers: dict[Tier, TierSpec], count: int = 1, nodes: dict[str, dict[str, object]] = NODES) -> Expected:
    return expect(of_tiers(tiers), costs(a=stream()), Nodes.model_validate({"nodes": nodes}), {"a": count})


@pytest.mark.parametrize(
    ("tier", "node"),
    [
        (TierSpec(), "rack"),
        (TierSpec(machine="shed"), "shed"),
        (TierSpec(machine="10.0.0.2"), "shed"),
        (TierSpec(labels={"gpu": "t4"}), "shed"),
        (TierSpec(gpus=2), "rack"),
    ],
)
def test_a_narrowed_tier_stands_on_its_machine(tier, node):
    assert expected({Tier.CLOUD: tier}).loads[-1].nodes == (node,)


@pytest.mark.parametrize(
    ("tier", "said"),
    [
        (TierSpec(machine="sched"), r"`tiers.cloud` asks for the machine sched, and no node is called so.*'shed'"),
        (TierSpec(machine="gate"), r"node gate is not of tier cloud, and `tiers.cloud` asks for it"),
        (TierSpec(machine="shed", gpus=2), r"node shed is not of tier cloud with 2 GPUs, and"),
        (
            TierSpec(labels={"gpu": "h100"}),
            r"no node is of tier cloud with the label gpu=h100, as `tiers.cloud` asks: give shed or rack "
            r"`labels: {gpu: h100}`",
        ),
        (TierSpec(gpus=4), r"no node is of tier cloud with 4 GPUs, as `tiers.cloud` asks: give .* `gpus: 4`"),
    ],
)
def test_what_no_machine_is_is_told_with_the_tier_that_lacks_it(tier, said):
    with pytest.raises(ConfigError, match=said):
        expected({Tier.CLOUD: tier})


def test_gpus_that_are_short_are_told_and_do_not_fit():
    both = {Tier.EDGE: TierSpec(gpus=1, machine="shed"), Tier.CLOUD: TierSpec(gpus=0.5, machine="shed")}
    (short,) = expected(both).shortages
    assert str(short).startswith("GPUs of shed: 1.5 GPUs are needed, 1 can be planned with")
    assert "tier cloud takes 0.5" in str(short) or "tier edge takes 1" in str(short)


def test_more_devices_than_gpus_do_not_fit():
    nodes = NODES | {"gate": {"tier": "device", "cpus": 64, "gpus": 2, "memory_gb": 64}}
    tiers = {Tier.DEVICE: TierSpec(gpus=0.5)}
    one, many = (expected(tiers, count, nodes) for count in (1, 200))
    assert one.loads[0].gpus == 0.5
    assert [each.what for each in many.shortages if each.unit == "GPUs"] == ["GPUs of gate"]


def test_a_network_in_a_pool_is_there_once_on_each_machine_and_takes_its_gpus_there():
    """The little model on two tiers of one machine: two processes load it, or one pool."""
    apart = of_tiers({})
    stages = tuple(
        replace(stage, config=stage.config.model_copy(update={"model": "little"})) if stage.id == "big" else stage
        for stage in apart.pipeline.stages
    )
    tier = {"machine": "rack"}

    def memory(**more: object) -> Expected:
        tiers = dict.fromkeys((Tier.EDGE, Tier.CLOUD), TierSpec(**tier, **more))
        laid_out = plan(replace(apart.pipeline, stages=stages, tiers=tiers))
        return expect(laid_out, costs(a=stream()), Nodes.model_validate({"nodes": NODES}))

    alone, pooled = memory(), memory(pool=True, gpus=0.5)
    assert [load.memory_mb for load in alone.loads[1:]] == [120, 120]
    assert [load.memory_mb for load in pooled.loads[1:]] == [100 + 20 + 100, 100]
    assert [load.gpus for load in pooled.loads[1:]] == [0.5, 0]
    (short,) = memory(pool=True, gpus=2).shortages or [None]
    assert short is None
    with pytest.raises(ConfigError, match="3 GPUs"):
        memory(pool=True, gpus=3)


def test_edge_machines_of_a_site_share_its_devices_out():
    nodes = {
        "gate": {"tier": "device", "site": "north", "cpus": 64},
        "shed": {"tier": "edge", "site": "north", "cpus": 8},
        "barn": {"tier": "edge", "site": "north", "cpus": 8},
        "rack": {"tier": "cloud", "cpus": 64},
    }
    laid_out = of_tiers({}, sites={"a": "north"}, per_actor=10)
    one, two = (
        expect(laid_out, costs(a=stream()), Nodes.model_validate({"nodes": nodes}), {"a": count}) for count in (10, 20)
    )
    assert [load.actors for load in one.loads] == [1, 1, 1]
    assert one.loads[1].nodes == ("shed",)
    assert set(two.loads[1].nodes) == {"shed", "barn"}
    assert two.loads[1].busy == pytest.approx(one.loads[1].busy)  # twice the cameras on two threads
    assert two.loads[2].busy == pytest.approx(2 * one.loads[2].busy)


def test_on_one_machine_tiers_say_nothing_and_the_plan_says_so():
    alone = {"box": {"tier": ["device", "edge", "cloud"], "cpus": 4}}
    found = expected({Tier.CLOUD: TierSpec(machine="rack", gpus=1)}, nodes=alone)
    assert {load.nodes for load in found.loads} == {("box",)}
    assert any("counts on a cluster" in note for note in found.notes)
