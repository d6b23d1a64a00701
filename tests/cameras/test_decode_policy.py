"""What is decoded of a real stream that stands still for some seconds and moves for some."""

from dataclasses import replace
from itertools import groupby, pairwise

import av
import numpy as np
import pytest

from tests import clips
from tests.cameras import servers
from tests.cameras.conftest import HURRY
from vidpipe.core.answer import How
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.picture import YuvPicture
from vidpipe.sources.decoding import decode_policy
from vidpipe.sources.decoding.decode_policy import PacketSizes

FPS, STILL, MOVING = 25, 50, 25


def scene(i, width, height):
    """Picture 0 for a while, then pictures 1, 2, ..."""
    return clips.picture(max(0, i - STILL + 1), width, height)


@pytest.fixture(scope="module", params=[15, 75])
def clip(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("decode_policy") / "clip.units"
    return servers.encode(path, frames=STILL + MOVING, fps=FPS, gop=request.param, picture=scene) | {
        "gop": request.param
    }


@pytest.fixture
def whole(clip):
    """Luma of each picture by its number, decoded without leaving any out."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = [frame for unit in servers.units_of(clip) for frame in decoder.decode(av.Packet(unit))]
    return {clips.number(luma): luma for luma in (YuvPicture(picture).luma() for picture in pictures)}


def taught(clip):
    """Sizes that have told of motion often enough."""
    sizes = PacketSizes()
    lengths = [len(unit) for unit in servers.units_of(clip)]
    still, moving = lengths[21:STILL], lengths[STILL + 1]
    for onset in range(6):
        for i, size in enumerate([*still, *[moving] * 20]):
            sizes.learn(size, onset * 10 + i / FPS, moved=i >= len(still), still_s=2.0 if i <= len(still) else 0.0)
    assert sizes.tell
    return sizes


def runs(items):
    """Moving pictures that came one after the other."""
    shown = [clips.number(item.luma()) if isinstance(item, Frame) else -1 for item in items]
    return [list(run) for moves, run in groupby(shown, key=lambda number: number > 0) if moves]


@pytest.mark.long
@pytest.mark.timed
def test_a_still_stream_rests_and_motion_is_seen_in_time(serve, view, clip, whole, monkeypatch):
    tells = clip["gop"] > FPS
    if tells:
        monkeypatch.setattr(decode_policy, "PacketSizes", lambda: taught(clip))
    viewer = view(serve({"/a": clip}).url(), replace(HURRY, still_s=0.5, picture_s=10), max_blind_s=1.0)
    viewer.until(lambda: len([run for run in runs(list(viewer.items)) if run[-1] == MOVING]) >= 2, 30)
    items = list(viewer.items)
    rested = [item for item in items if isinstance(item, Missing) and item.reason == "not decoded"]
    assert len(rested) > len(items) / 5
    assert all(item.how is How.SKIPPED for item in rested)
    for run in runs(items)[1:]:
        late = run[0] - 1
        assert late <= (2 if tells else clip["gop"])
        assert run == list(range(run[0], run[0] + len(run))), "from then on all of them"
    for item in items:
        if isinstance(item, Frame) and clips.number(item.luma()):
            assert np.array_equal(item.luma(), whole[clips.number(item.luma())]), "whole, though others were left out"


def test_pictures_that_the_user_does_not_want_are_not_decoded(serve, view, tmp_path):
    server = serve({"/a": servers.encode(tmp_path / "clip.units", gop=10)})
    viewer = view(server.url(), skip_frame="nokey", max_blind_s=0)
    viewer.until_more(4)
    items = list(viewer.items)
    frames = [item.seq for item in items if isinstance(item, Frame)]
    assert {later - sooner for sooner, later in pairwise(frames)} == {10}
    reasons = {item.reason for item in items if isinstance(item, Missing)}
    assert reasons <= {"not decoded", "waiting for a key frame"}
