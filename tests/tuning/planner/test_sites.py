"""Which machines stages of a site stand on, by a plan: the same as on a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.planner.builders import costs, laid, stream
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Place, plan
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.nodes import Nodes

SITES = st.sampled_from((None, "north", "south"))
MACHINES = st.lists(st.tuples(st.sets(st.sampled_from(Tier), min_size=1), SITES), min_size=2, max_size=6)


def of_sites(*own_clouds, **sites):
    """A plan of a stream at each of these sites."""
    pipeline = laid(*sites).pipeline
    streams = {
        name: replace(one, spec=one.spec.model_copy(update={"at": sites[name]}))
        for name, one in pipeline.streams.items()
    }
    return plan(replace(pipeline, streams=streams, own_clouds=frozenset(own_clouds)))


def of_machines(**machines):
    return Nodes.model_validate(
        {"nodes": {name: {"tier": tier, "site": site, "cpus": 8} for name, (tier, site) in machines.items()}}
    )


@settings(deadline=None)  # the import of Ray
@given(machines=MACHINES, tier=st.sampled_from(Tier), site=SITES)
def test_a_plan_takes_the_machines_that_a_cluster_takes(machines, tier, site):
    from vidpipe.runtime.ray.machine import LABEL, Machine, fitting

    nodes = of_machines(**{str(at): (sorted(tiers), of) for at, (tiers, of) in enumerate(machines)})
    there = [
        Machine(str(at), "", dict.fromkeys(tiers, 1.0), {LABEL: of} if of else {})
        for at, (tiers, of) in enumerate(machines)
    ]
    able = fitting(there, Place(range(1), "", tier, site or ""), TierSpec())
    assert list(nodes.serving(tier, site)) == [machine.node for machine in able]


def test_a_machine_of_no_site_is_none_of_a_site_and_the_cloud_is_common():
    machines = {"gate": ("device", "north"), "shed": ("edge", "north"), "rack": ("cloud", None)}
    known = costs(a=stream())
    placed = expect(of_sites(a="north"), known, of_machines(**machines))
    assert [load.nodes for load in placed.loads] == [("gate",), ("shed",), ("rack",)]
    machines["shed"] = ("edge", None)
    with pytest.raises(ConfigError, match=r"no node of site north is of tier edge.* give shed `site: north`"):
        expect(of_sites(a="north"), known, of_machines(**machines))


def test_a_site_with_a_cloud_of_its_own_needs_a_machine_for_it():
    machines = {"all": (["device", "edge"], "north"), "rack": ("cloud", None)}
    with pytest.raises(ConfigError, match="no node of site north is of tier cloud"):
        expect(of_sites("north", a="north"), costs(a=stream()), of_machines(**machines))


def test_on_one_machine_sites_make_no_difference():
    nodes = of_machines(here=(["device", "edge", "cloud"], None))
    assert {load.nodes for load in expect(of_sites(a="north"), costs(a=stream()), nodes).loads} == {("here",)}
