"""How cascades become segments."""

import os

import pytest

from tests.builders import SharedTold, Told
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import Classes
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, ShaperSpec, Stream, Tier
from vidpipe.sources.base import StreamSpec


class Deaf(Stage[StageConfig]):
    """A shared stage that does not learn."""

    shared = True


KINDS = {"own": Told, "shared": SharedTold, "deaf": Deaf}


def pipeline(*stages, streams=1, live=False, **options):
    """Stages as "kind@tier", isolated with a "!" behind."""
    placed = []
    for index, text in enumerate(stages):
        kind, tier = text.rstrip("!").split("@")
        placed.append(PlacedStage(f"s{index}", KINDS[kind], StageConfig(), Tier(tier), text.endswith("!")))
    scheme = "live+file:" if live else ""
    named = {f"cam{i}": Stream(StreamSpec(url=f"{scheme}{i}.mp4")) for i in range(streams)}
    return Pipeline("p", Classes({}), {}, tuple(placed), named, **options)


@pytest.mark.parametrize(
    ("stages", "segments", "links"),
    [
        (["shared@device"], [("device", "s0")], []),
        (["shared@edge"], [("device", ""), ("edge", "s0")], ["device-edge"]),
        (["own@device", "own@device", "shared@cloud"], [("device", "s0 s1"), ("cloud", "s2")], ["device-cloud"]),
        (
            ["own@device", "own@edge", "shared@edge", "shared@cloud"],
            [("device", "s0"), ("edge", "s1 s2"), ("cloud", "s3")],
            ["device-edge", "edge-cloud"],
        ),
        (
            ["own@device!", "shared@device!"],
            [("device", ""), ("device:s0", "s0"), ("device:s1", "s1")],
            ["device-device:s0", "device:s0-device:s1"],
        ),
        (
            ["own@device", "own@device!", "shared@device"],
            [("device:s0", "s0"), ("device:s1", "s1"), ("device:s2", "s2")],
            ["device:s0-device:s1", "device:s1-device:s2"],
        ),
    ],
)
def test_segments_and_links(stages, segments, links):
    laid = plan(pipeline(*stages))
    assert [(s.name, " ".join(stage.id for stage in s.stages)) for s in laid.segments] == segments
    assert [link.name for link in laid.links] == links


def test_shared_stages_and_all_behind_them_are_the_tail():
    (segment,) = plan(pipeline("own@device", "shared@device", "own@device", "shared@device")).segments
    assert [stage.id for stage in segment.per_stream] == ["s0"]
    assert [stage.id for stage in segment.shared] == ["s1", "s2", "s3"]


def test_links_take_the_settings_of_their_tiers():
    jpeg = LinkSpec(codec="jpeg")
    laid = plan(pipeline("own@device", "shared@edge", "shared@cloud", links={"edge-cloud": jpeg}))
    assert [link.spec for link in laid.links] == [LinkSpec(), jpeg]


@pytest.mark.parametrize(
    ("stages", "ahead", "expected", "unordered", "told"),
    [
        (["own@device", "deaf@edge"], 0, 0, False, False),
        (["own@device", "deaf@edge"], 3, 3, False, False),
        (["own@device", "shared@edge"], 3, 3, False, True),
        (["deaf@edge"], 0, 16, True, False),  # as many as the link has credit for
        (["deaf@device"], 0, 8, True, False),
    ],
)
def test_depth(stages, ahead, expected, unordered, told):
    laid = plan(pipeline(*stages, ahead=ahead))
    assert (laid.ahead, laid.unordered, laid.learns_below(0)) == (expected, unordered, told)


@pytest.mark.parametrize(
    ("credit", "streams", "wanted", "ahead"),
    [(16, 1, 16, 15), (16, 1, 15, 15), (16, 2, 8, 7), (16, 8, 2, 1), (1, 1, 1, 0), (4, 9, 3, 0)],
)
def test_ahead_is_no_more_than_links_have_credit_for(credit, streams, wanted, ahead):
    """Else each of the streams would wait for credit that another one holds."""
    named = {"streams": streams, "streams_per_actor": streams, "ahead": wanted}
    links = {"device-edge": LinkSpec(credit_frames=credit)}
    laid = plan(pipeline("own@device", "shared@edge", links=links, **named))
    assert laid.ahead == ahead
    assert laid.shortened.startswith(f"ahead is {ahead}, not {wanted}: on the link device-edge") == (ahead < wanted)
    assert plan(pipeline("own@device", "deaf@edge", links=links, **named)).ahead == wanted  # nobody has to hold any


def test_all_devices_share_the_links_behind_the_first():
    links = {"edge-cloud": LinkSpec(credit_frames=8, credit_mb=4)}
    named = {"streams": 4, "live": True, "late": "wait", "streams_per_actor": 1, "ahead": 4}
    laid = plan(pipeline("shared@edge", "shared@cloud", links=links, **named))
    assert (laid.ahead, laid.hold_bytes) == (1, 1e6)


def test_live_streams_are_spread_over_device_actors():
    laid = plan(pipeline("deaf@device", streams=5, live=True, streams_per_actor=2))
    assert sorted(map(len, laid.groups)) == [1, 2, 2]
    assert [name for group in laid.groups for name in group] == [f"cam{i}" for i in range(5)]


@pytest.mark.long
@pytest.mark.parametrize("per_actor", [None, 1, 3])
@pytest.mark.parametrize("streams", [1, 2, 5, 40, 200])
def test_no_more_actors_than_cores_work_through_recordings(streams, per_actor):
    cores = os.cpu_count() or 1
    laid = plan(pipeline("deaf@device", streams=streams, streams_per_actor=per_actor))
    sizes = [len(group) for group in laid.groups]
    assert [name for group in laid.groups for name in group] == [f"cam{i}" for i in range(streams)]
    assert len(sizes) <= cores
    assert max(sizes) - min(sizes) <= 1
    assert 1 <= laid.at_once <= (per_actor or max(8, 2 * cores))
    assert laid.at_once * len(sizes) <= max(8, 2 * cores)


SLOWER = {"edge-cloud": LinkSpec(shaper=ShaperSpec(delay_ms=10))}


@pytest.mark.parametrize(
    ("stages", "options", "together"),
    [
        (["own@device", "shared@edge", "shared@cloud"], {}, [[0, 1, 2]]),
        (["own@device", "shared@edge", "shared@cloud"], {"links": SLOWER}, [[0, 1], [2]]),
        (["own@device", "shared@edge!", "shared@cloud"], {}, [[0], [1], [2]]),
        (["own@device", "shared@edge", "shared@cloud"], {"streams": 9, "live": True}, [[0], [1, 2]]),
        (["shared@device"], {"streams": 9, "live": True}, [[0]]),
    ],
)
def test_on_one_machine_tiers_share_an_actor(stages, options, together):
    laid = plan(pipeline(*stages, **options))
    assert [list(segments) for segments in laid.actors(one_machine=True)] == together
    assert [list(segments) for segments in laid.actors(one_machine=False)] == [[i] for i in range(len(laid.segments))]
