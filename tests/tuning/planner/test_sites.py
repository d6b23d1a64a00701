"""Which machines stages of a site stand on, by a plan: the same as on a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tuning.planner.builders import costs, laid, stream
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import plan
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.nodes import Nodes


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
