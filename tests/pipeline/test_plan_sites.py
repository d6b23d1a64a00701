"""How a plan stands on machines of several sites."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import SharedTold
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import Classes
from vidpipe.pipeline.plan import SITE_TIERS, Plan, plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Stream, Tier
from vidpipe.sources.base import StreamSpec

TIERS = st.lists(st.tuples(st.sampled_from(list(Tier)), st.booleans()), min_size=1, max_size=5).map(
    lambda stages: sorted(stages, key=lambda stage: list(Tier).index(stage[0]))
)
STREAMS = st.lists(st.tuples(st.sampled_from(["", "north", "south", "s.3"]), st.booleans()), min_size=1, max_size=12)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Of any tiers, with isolated stages, for live streams and recordings of any sites."""
    stages = tuple(
        PlacedStage(f"s{index}", SharedTold, StageConfig(), tier, isolate)
        for index, (tier, isolate) in enumerate(draw(TIERS))
    )
    streams = {
        f"cam{index}": Stream(StreamSpec(url=f"{'live+file:' if live else ''}{index}.mp4", at=site or None))
        for index, (site, live) in enumerate(draw(STREAMS))
    }
    per_actor = draw(st.none() | st.integers(1, 4))
    own = frozenset(draw(st.sets(st.sampled_from(["north", "south"]))))
    return plan(Pipeline("p", Classes({}), {}, stages, streams, streams_per_actor=per_actor, own_clouds=own))


@pytest.mark.long
@given(plans())
@settings(max_examples=60, deadline=None)
def test_each_stream_has_one_device_actor_of_its_site(laid: Plan) -> None:
    assert sorted(name for group in laid.groups for name in group) == sorted(laid.pipeline.streams)
    for group in laid.groups:
        assert len({laid.pipeline.site(name) for name in group}) == 1
        assert len({laid.pipeline.streams[name].spec.live for name in group}) == 1


@pytest.mark.long
@given(plans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_link_joins_actors_of_one_site_or_leads_to_the_common_cloud(laid: Plan, one_machine: bool) -> None:
    ways = {site: laid.way_down(site, one_machine=one_machine) for site in laid.sites}
    assert set(ways) == {laid.pipeline.site(name) for name in laid.pipeline.streams}
    for site, way in ways.items():
        assert [index for place in way for index in place.segments] == list(range(len(laid.segments)))
        assert way[0].site == site
        for upper, lower in pairwise(way):
            assert lower.site in (upper.site, "")
        if not one_machine:
            own = {*SITE_TIERS, Tier.CLOUD} if site in laid.pipeline.own_clouds else SITE_TIERS
            assert all(place.site == (site if place.tier in own else "") for place in way)
        assert len({place.name for place in way}) == len(way)


@pytest.mark.long
@given(plans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_an_actor_is_named_after_its_site_and_belongs_to_no_other(laid: Plan, one_machine: bool) -> None:
    places = {place for site in laid.sites for place in laid.way_down(site, one_machine=one_machine)}
    assert len({place.name for place in places}) == len(places)
    for place in places:
        first = laid.segments[place.segments[0]].name
        assert place.name == (f"{place.site}/{first}" if place.site else first)


@pytest.mark.long
@given(plans())
@settings(max_examples=30, deadline=None)
def test_sites_change_neither_segments_nor_links(laid: Plan) -> None:
    """What an answer is must not depend on where it is given."""
    homeless = {
        name: Stream(stream.spec.model_copy(update={"at": None})) for name, stream in laid.pipeline.streams.items()
    }
    without = plan(Pipeline("p", Classes({}), {}, laid.pipeline.stages, homeless))
    assert (laid.segments, laid.links, laid.unordered) == (without.segments, without.links, without.unordered)
