"""What a plan is expected to take. What must hold:

- CPU, traffic and memory are those of the cameras, added up, each on the machine where its stage stands;
- what a camera takes does not depend on where its stages stand, codecs aside;
- more cameras take more of everything, and wait longer;
- what does not fit is told with the tightest first, and by how much.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.planner.builders import FPS, PICTURE, costs, laid, nodes, stream
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec, SplitSpec, Tier
from vidpipe.tuning.planner.capacity import how_many
from vidpipe.tuning.planner.costs import PictureCost, cost_key, repeated
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.loads import PLANNED
from vidpipe.tuning.planner.nodes import Nodes, one_machine

CUTS = st.sampled_from(
    [
        each
        for each in [(a, b, c) for a in Tier for b in Tier for c in Tier]
        if list(each) == sorted(each, key=list(Tier).index)
    ]
)


def by_segment(expected):
    return {load.place.segment: load for load in expected.loads}


def test_each_segment_takes_what_its_stages_do():
    expected = expect(laid(), costs(), nodes(cpus=1))
    loads = by_segment(expected)
    assert {name: load.cpu for name, load in loads.items()} == pytest.approx(
        {"device": FPS * 3e-3, "edge": FPS * 0.5 * 10e-3, "cloud": FPS * 0.2 * 50e-3}
    )
    assert {name: load.nodes for name, load in loads.items()} == {
        name: (f"n-{name}",) for name in ("device", "edge", "cloud")
    }
    assert loads["cloud"].busy == pytest.approx(0.1)
    assert [(each.link, each.mbps) for each in expected.traffic] == [
        ("device-edge", pytest.approx(FPS * 0.5)),
        ("edge-cloud", pytest.approx(FPS * 0.2)),
    ]
    assert [load.memory_mb for load in expected.loads] == [210, 120, 180]
    assert not expected.shortages


def test_processes_of_one_machine_are_shared():
    expected = expect(laid(), costs(), one_machine(4, 8))
    assert sum(load.memory_mb for load in expected.loads) == 210 + 20 + 80


def test_frames_that_are_checked_go_straight_to_the_last_stage():
    cost = stream()
    audited = cost.stages | {"track": cost.stages["track"].model_copy(update={"audited": 0.1})}
    expected = expect(laid(), costs(a=cost.model_copy(update={"stages": audited})), nodes())
    assert [each.frames_s for each in expected.traffic] == pytest.approx([FPS * 0.6, FPS * 0.2])


def test_a_look_takes_what_it_does_on_the_threads_that_there_will_be():
    """On eight cores one camera has all of them, of which two were measured; two hundred have one each."""
    one, many = (expect(laid(), costs(), nodes(), {"a": count}) for count in (1, 200))
    assert by_segment(many)["cloud"].cpu == pytest.approx(200 * FPS * 0.2 * 50e-3)
    assert by_segment(one)["cloud"].cpu == pytest.approx(FPS * 0.2 * 100e-3)
    assert by_segment(one)["cloud"].busy == pytest.approx(FPS * 0.2 * 60e-3)


def test_a_machine_that_is_twice_as_fast_takes_half_as_long():
    fast = nodes().model_dump()
    fast["nodes"]["n-cloud"]["speed"] = 2
    loads = [by_segment(expect(laid(), costs(), each))["cloud"] for each in (nodes(), Nodes.model_validate(fast))]
    assert loads[0].cpu == pytest.approx(2 * loads[1].cpu)


def test_a_camera_does_not_wait_for_itself_and_many_wait_as_in_a_queue():
    alone, many = (expect(laid(), costs(), nodes(), {"a": count}) for count in (1, 6))
    assert by_segment(alone)["cloud"].wait_ms == 0
    busy = 6 * FPS * 0.2 * 50e-3
    assert by_segment(many)["cloud"].wait_ms == pytest.approx(busy * 50 / (2 * (1 - busy)) * 5 / 6)
    assert by_segment(expect(laid(), costs(), nodes(), {"a": 20}))["cloud"].wait_ms == math.inf


def test_latency_is_that_of_stages_links_and_queues():
    slow = nodes(cpus=1, edge_cloud={"mbps": 10, "ms": 20})
    (waits,) = expect(laid(), costs(), slow).cameras
    assert waits.latency_ms == pytest.approx(5 + 2 + 0.5 * 10 + 0.2 * (50 + 20 + 100))
    assert waits.look_ms == pytest.approx(2 + 10 + 50 + 20 + 100)
    (detours,) = expect(laid(late="detour"), costs(), slow).cameras
    assert detours.latency_ms == pytest.approx(5 + 2)
    assert expect(laid(), costs(a=stream(other_wall_ms=None)), slow).cameras[0].latency_ms is None


@given(CUTS, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_where_stages_stand_changes_nothing_of_what_cameras_take_in_all(tiers, count):
    expected = expect(laid(tiers=tiers), costs(), nodes(), {"a": count})
    assert expected.cpu == pytest.approx(count * expected.cameras[0].cpu)
    ratio = 2 if count <= 4 else 1  # on two threads a look of the big model takes twice as much
    assert expected.cameras[0].cpu == pytest.approx(FPS * (1 + 2 + 5 + 10 * ratio) * 1e-3)


@given(st.integers(5, 40), st.integers(1, 40), CUTS)
@settings(max_examples=40, deadline=None)
def test_more_cameras_take_more_and_wait_longer(few, more, tiers):
    lines = nodes(device_edge={"mbps": 100}, edge_cloud={"mbps": 50})
    small, large = (expect(laid(tiers=tiers), costs(), lines, {"a": count}) for count in (few, few + more))
    for one, other in zip(small.loads, large.loads, strict=True):
        assert one.cpu < other.cpu or not one.stages
        assert one.wait_ms <= other.wait_ms or one.actors < other.actors
        assert one.memory_mb <= other.memory_mb
    assert all(a.ms <= b.ms and a.mbps < b.mbps for a, b in zip(small.traffic, large.traffic, strict=True))
    grown = any(one.actors < other.actors for one, other in zip(small.loads, large.loads, strict=True))
    assert len(small.shortages) <= len(large.shortages) or grown


def test_what_is_short_is_told_with_the_tightest_first():
    tight = nodes(cpus=1, memory_gb=0.1, edge_cloud={"mbps": 1})
    found = expect(laid(), costs(), tight, {"a": 5}).shortages
    assert [each.times for each in found] == sorted((each.times for each in found), reverse=True)
    said = {each.what: str(each) for each in found}
    assert (
        "10 mbps are needed, 0.9 can be planned with (11.1 times as much); 11.1 mbps would do"
        in (said["link edge-cloud"])
    )
    assert "0.278 GB would do" in said["memory of n-device"]


def test_the_thread_of_a_segment_is_a_limit_though_cores_are_left():
    (short,) = expect(laid(), costs(), nodes(cpus=16), {"a": 16}).shortages
    assert short.what == "the thread of segment cloud"


def test_a_tier_without_a_machine_and_a_stream_that_was_not_measured_are_told():
    with pytest.raises(ConfigError, match="no node is of tier edge"):
        expect(laid(), costs(), Nodes.model_validate({"nodes": {"n": {"tier": "device", "cpus": 1}}}))
    with pytest.raises(ConfigError, match="what stream b takes is not known"):
        expect(laid("a", "b"), costs(), nodes())


@given(st.floats(0.5, 40), st.floats(1, 300))
@settings(max_examples=30, deadline=None)
def test_as_many_cameras_as_fit_and_no_more(cpus, mbps):
    there = nodes(cpus=cpus, device_edge={"mbps": mbps})
    carries = how_many(laid(), costs(), there)
    if carries.cameras:
        assert not expect(laid(), costs(), there, {"a": carries.cameras}).shortages
    assert carries.binds in expect(laid(), costs(), there, {"a": carries.cameras + 1}).shortages


def test_two_cameras_of_a_kind_share_what_there_is_in_turns():
    assert repeated(["a", "b"], 5) == {"a": 3, "b": 2}
    assert repeated(["a", "b"], 1) == {"a": 1, "b": 0}
    assert how_many(laid("a", "b"), costs(a=stream(), b=stream(big=0.0)), nodes()).cameras == math.floor(PLANNED / 0.05)


def test_what_a_head_does_before_a_link_is_not_left_to_do_behind_it():
    features = LinkSpec(codec="jpeg", split=SplitSpec(bits=5))
    price = PictureCost(bytes=PICTURE / 10, pack_ms=7, unpack_ms=0, f1=0.9, look=0.4)
    known = costs(a=stream(seen={"big": {features.setting: price}}))
    whole = expect(laid(), known, nodes())
    there = laid()
    links = tuple(replace(link, spec=features) if link.below[-1:] == link.below else link for link in there.links)
    cut = expect(replace(there, links=links), known, nodes())
    (before, after), (edge, cloud) = (
        [load.cpu for load in each.loads if load.place.segment in ("edge", "cloud")] for each in (whole, cut)
    )
    assert cloud == pytest.approx(0.4 * after)
    assert edge == pytest.approx(before + FPS * 0.2 * 0.007)
    mbps = [each.traffic[-1].mbps for each in (whole, cut)]
    assert mbps[1] == pytest.approx(mbps[0] / 10)


def test_a_codec_that_was_not_measured_is_estimated():
    def nbytes(**spec):
        return stream().picture(Link("", "", LinkSpec(**spec))).bytes

    assert nbytes() == 125_000
    assert 0 < nbytes(codec="jpeg", width=320) < nbytes(codec="jpeg")


def test_costs_are_of_settings_wherever_stages_stand():
    here, there = laid().pipeline, laid(tiers=(Tier.DEVICE, Tier.DEVICE, Tier.CLOUD)).pipeline
    assert cost_key(here, "a") == cost_key(there, "a")
    assert cost_key(here, "a") != cost_key(laid(late="detour").pipeline, "a")
